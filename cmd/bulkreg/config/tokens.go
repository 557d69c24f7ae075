package config

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/bulkreg/bulkreg/store/seal"
	"github.com/bulkreg/bulkreg/worker/gettoken"
)

// Tokens reports whether there is something to ask for tokens with, and a key to keep them with.
func (c Config) Tokens() bool { return c.hasAccess() && c.TokenEncryptionKey != "" }

func (c Config) hasAccess() bool { return c.AccessToken != "" || c.AccessTokenFile != "" }

// Access is the access token of GetToken, or a *MissingError. One in a file is read anew for each call.
func (c Config) Access() (gettoken.Access, error) {
	switch {
	case c.AccessTokenFile != "":
		return gettoken.NewFile(func() (string, error) { return readValue(c.AccessTokenFile) }), nil
	case c.AccessToken != "":
		return gettoken.Fixed(c.AccessToken), nil
	}
	return nil, &MissingError{[]string{"PMG_ACCESS_TOKEN"}, "give the access token that PMG issued to you; `bulkreg sandbox` prints one to try"}
}

// SealKeys are those with which people and tokens are kept, or a *MissingError.
func (c Config) SealKeys() (seal.Keys, error) {
	if c.TokenEncryptionKey == "" {
		return seal.Keys{}, &MissingError{[]string{"TOKEN_ENCRYPTION_KEY"}, "make a key with `openssl rand -base64 32`, and give it to all who work with tokens; keep it: what it encrypts cannot be read without it"}
	}
	keys, err := seal.ParseKeys(string(c.TokenEncryptionKey))
	if err != nil {
		return seal.Keys{}, fmt.Errorf("TOKEN_ENCRYPTION_KEY: %w", err)
	}
	return keys, nil
}

var language = regexp.MustCompile(`^[a-z]{2}$`)

// Languages are those that tokens may be asked for in.
func (c Config) Languages() ([]string, error) {
	var all []string
	for word := range strings.FieldsFuncSeq(strings.ToLower(c.TokenLanguages), func(r rune) bool { return r == ',' || r == ' ' }) {
		if !language.MatchString(word) {
			return nil, fmt.Errorf("TOKEN_LANGUAGES: %s is no language: give two letters each, such as nl,fr,en", shown(word))
		}
		all = append(all, word)
	}
	return all, nil
}

// tokens checks the settings of tokens.
func (p *problems) tokens(c Config) {
	if c.TokenEncryptionKey != "" {
		if _, err := c.SealKeys(); err != nil {
			p.add("%v", err)
		}
	}
	if _, err := c.Languages(); err != nil {
		p.add("%v", err)
	}
	if c.AccessToken != "" {
		if _, err := gettoken.Fixed(c.AccessToken).AccessToken(); err != nil {
			p.add("PMG_ACCESS_TOKEN: %v", err)
		}
	}
	client, err := gettoken.New(gettoken.Config{URL: c.TokenURL, Access: gettoken.Fixed("x")})
	if err != nil {
		p.add("PMG_TOKEN_URL: %v", err)
		return
	}
	client.Close()
	p.plaintext("PMG_TOKEN_URL", c.TokenURL, c)
}
