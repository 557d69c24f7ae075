package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

// DefaultAccount is the name of the account whose credentials have no number.
const DefaultAccount = "default"

// Account is one set of the registrar's credentials.
type Account struct {
	Name         string
	BaseURL      string
	ClientID     string
	ClientSecret registrar.Secret
}

const (
	accountPrefix = "REGISTRAR_ACCOUNTS_"
	maxName       = 64 // bytes of an account's name, as in an order
)

// accountSettings are those of one further account, after accountPrefix and its number.
type accountSettings struct {
	Name         string           `env:"NAME" use:"registrar" unit:"text" example:"brand-b" reason:"name of a further account, as orders give it"`
	BaseURL      string           `env:"BASE_URL" use:"registrar" unit:"URL" example:"https://api.example.com/v1" reason:"its root of the API; default REGISTRAR_BASE_URL"`
	ClientID     string           `env:"CLIENT_ID" use:"registrar" unit:"text" file:"true" example:"my-client-id" reason:"its credentials"`
	ClientSecret registrar.Secret `env:"CLIENT_SECRET" use:"registrar" unit:"text" file:"true" example:"my-client-secret" reason:"its credentials"`
}

var accountVariable = regexp.MustCompile(`^REGISTRAR_ACCOUNTS_(0|[1-9][0-9]{0,8})_(NAME|BASE_URL|CLIENT_ID|CLIENT_SECRET|CLIENT_ID_FILE|CLIENT_SECRET_FILE)$`)

// accounts reads the further accounts, in the order of their numbers. Gaps are allowed.
func (p *problems) accounts(vars map[string]string, c Config) []Account {
	var numbers []int
	for _, variable := range slices.Sorted(maps.Keys(vars)) {
		match := accountVariable.FindStringSubmatch(variable)
		switch {
		case match != nil:
			n, err := strconv.Atoi(match[1])
			if err == nil && !slices.Contains(numbers, n) {
				numbers = append(numbers, n)
			}
		case strings.HasPrefix(variable, accountPrefix):
			p.add("%s is no setting: name it %s<number>_ with NAME, BASE_URL, CLIENT_ID or CLIENT_SECRET", variable, accountPrefix)
		}
	}
	slices.Sort(numbers)
	takenBy := map[string]string{DefaultAccount: "REGISTRAR_CLIENT_ID", queue.TokenAccount: "PMG_ACCESS_TOKEN"}
	var accounts []Account
	for _, n := range numbers {
		a := p.account(vars, accountPrefix+strconv.Itoa(n)+"_", c)
		variable := fmt.Sprintf("%s%d_NAME", accountPrefix, n)
		if other, taken := takenBy[a.Name]; taken {
			p.add("%s=%s is the name of the account of %s already: choose another", variable, shown(a.Name), other)
		} else if a.Name != "" {
			takenBy[a.Name] = variable
		}
		accounts = append(accounts, a)
	}
	return accounts
}

func (p *problems) account(vars map[string]string, prefix string, c Config) Account {
	var s accountSettings
	p.parse(&s, vars, prefix)
	p.plaintext(prefix+"BASE_URL", s.BaseURL, c)
	if s.BaseURL == "" {
		s.BaseURL = c.RegistrarBaseURL
	}
	for _, f := range []struct {
		variable, value, hint string
	}{
		{"NAME", s.Name, "give the account a name, such as brand-b"},
		{"CLIENT_ID", s.ClientID, "the registrar issues one per account"},
		{"CLIENT_SECRET", string(s.ClientSecret), "the registrar issues one per account"},
		{"BASE_URL", s.BaseURL, "give the root of the API here or in REGISTRAR_BASE_URL"},
	} {
		_, file := vars[prefix+f.variable+"_FILE"] // then its own problem says more
		if f.value == "" && !file {
			p.add("%s%s is not set: %s", prefix, f.variable, f.hint)
		}
	}
	if s.Name != "" {
		if err := queue.CheckName(s.Name, maxName); err != nil {
			p.add("%sNAME %v", prefix, err)
		}
	}
	p.client(prefix+"BASE_URL", registrar.Config{BaseURL: s.BaseURL})
	p.client(prefix+"CLIENT_ID", registrar.Config{ClientID: s.ClientID})
	p.client(prefix+"CLIENT_SECRET", registrar.Config{ClientSecret: s.ClientSecret})
	return Account(s)
}
