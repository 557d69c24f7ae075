package sandbox

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// issuer signs and checks the JWTs of one sandbox. Its key dies with it, so a restarted sandbox refuses the
// tokens of the one before.
type issuer struct {
	key    []byte
	ttl    time.Duration
	clock  func() time.Time
	parser *jwt.Parser
}

func newIssuer(ttl time.Duration, clock func() time.Time) *issuer {
	key := make([]byte, 32)
	rand.Read(key) // never fails, by its documentation
	return &issuer{
		key: key, ttl: ttl, clock: clock,
		parser: jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			jwt.WithTimeFunc(clock), jwt.WithExpirationRequired()),
	}
}

func (i *issuer) issue(account string) (string, error) {
	now := i.clock()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Subject: account, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(i.ttl)),
	}).SignedString(i.key)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return token, nil
}

// account is whom a token was issued to. It is known of an expired token too, together with the failure.
func (i *issuer) account(token string) (string, *failure) {
	var claims jwt.RegisteredClaims
	_, err := i.parser.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return i.key, nil })
	switch {
	case err == nil:
		return claims.Subject, nil
	case errors.Is(err, jwt.ErrTokenExpired): // reported only after the signature was found good
		return claims.Subject, &failure{http.StatusUnauthorized, "the token is expired"}
	default:
		return "", &failure{http.StatusUnauthorized, "the token is not valid"}
	}
}

// authorize says who asks, and refuses who may not.
func (s *Sandbox) authorize(op Op, r *http.Request) (account string, refused *failure) {
	if op == OpAuthenticate {
		return "", nil
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", &failure{http.StatusUnauthorized, "the Authorization header holds no bearer token"}
	}
	if op != OpToken {
		return s.jwt.account(token)
	}
	if !same(token, s.opts.AccessToken) {
		return "", &failure{http.StatusUnauthorized, "the request lacks proper authentication"}
	}
	return "", nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

type credentials struct {
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
}

type authenticationSuccess struct {
	Status    string `json:"status"`
	Token     string `json:"token"`
	ExpiresIn int    `json:"expires_in"` // seconds
}

func (s *Sandbox) readAuthenticate(r *http.Request, body []byte) task {
	var c credentials
	if f := decode(r, body, &c); f != nil {
		return failing(f)
	}
	if c.ClientID == "" || c.ClientSecret == "" {
		return failing(badRequest("client_id and client_secret are required"))
	}
	return task{account: c.ClientID, run: func(*Call, extent) answer {
		if a, known := s.opts.Accounts[c.ClientID]; !known || !same(a.Secret, c.ClientSecret) {
			return failed(&failure{http.StatusUnauthorized, "the client credentials are not valid"})
		}
		token, err := s.jwt.issue(c.ClientID)
		if err != nil {
			return failed(&failure{http.StatusInternalServerError, err.Error()})
		}
		return answer{status: http.StatusOK, value: authenticationSuccess{
			Status: "success", Token: token, ExpiresIn: int(s.opts.TokenTTL / time.Second),
		}}
	}}
}
