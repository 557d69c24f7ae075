package registrar

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/worker/registrar/shape"
)

// This file holds every path and field name of the Domain API, and nothing else in the package knows one. Documented
// are the answer of the authentication endpoint, the error body, and the operations with their methods. The paths
// and the other fields are assumptions (contract/registrar.openapi.yaml, x-basis).

// Paths are the paths of the operations, joined to the base URL. A placeholder may stand in the path or in a
// query. Check needs {domain} once, HolderByID needs {id} once, the others take none.
type Paths struct {
	Authenticate string // POST
	Check        string // GET
	CheckBulk    string // POST
	Register     string // POST
	RegisterBulk string // POST
	Holder       string // PUT creates, POST finds
	HolderByID   string // PATCH updates, DELETE deletes
}

// DefaultPaths returns the assumed paths.
func DefaultPaths() Paths {
	return Paths{
		Authenticate: "/authenticate",
		Check:        "/whois/{domain}",
		CheckBulk:    "/whois",
		Register:     "/domain",
		RegisterBulk: "/domain/bulk",
		Holder:       "/domainholder",
		HolderByID:   "/domainholder/{id}",
	}
}

const (
	placeDomain = "{domain}"
	placeID     = "{id}"
)

func (p Paths) withDefaults() Paths {
	d := DefaultPaths()
	for _, f := range []struct{ set, def *string }{
		{&p.Authenticate, &d.Authenticate}, {&p.Check, &d.Check}, {&p.CheckBulk, &d.CheckBulk},
		{&p.Register, &d.Register}, {&p.RegisterBulk, &d.RegisterBulk},
		{&p.Holder, &d.Holder}, {&p.HolderByID, &d.HolderByID},
	} {
		if *f.set == "" {
			*f.set = *f.def
		}
	}
	return p
}

func (p Paths) validate() error {
	return errors.Join(
		checkPath("authenticate", p.Authenticate, ""),
		checkPath("check", p.Check, placeDomain),
		checkPath("bulk check", p.CheckBulk, ""),
		checkPath("register", p.Register, ""),
		checkPath("bulk register", p.RegisterBulk, ""),
		checkPath("holder", p.Holder, ""),
		checkPath("holder by id", p.HolderByID, placeID),
	)
}

type wireCredentials struct {
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
}

func encodeCredentials(id string, secret Secret) ([]byte, error) {
	return json.Marshal(wireCredentials{ClientID: id, ClientSecret: string(secret)})
}

type wireToken struct {
	Status         string      `json:"status"`
	Token          string      `json:"token"`
	ExpiresIn      wireSeconds `json:"expires_in"`
	ExpiresInCamel wireSeconds `json:"expiresIn"` // a guess, where the documented one is not there
}

// maxTokenLife caps what an upstream may promise.
const maxTokenLife = 24 * time.Hour

// decodeToken returns the token and its life. Its errors never quote the reply, which holds the token.
func decodeToken(body []byte) (Secret, time.Duration, error) {
	var w wireToken
	if err := decodeObject(body, &w); err != nil {
		return "", 0, errors.New("reply is not the documented JSON")
	}
	life := w.ExpiresIn
	if !life.given {
		life = w.ExpiresInCamel
	}
	switch {
	case w.Status != "success":
		return "", 0, errors.New(`reply lacks the documented status "success"`)
	case w.Token == "" || strings.ContainsFunc(w.Token, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return "", 0, errors.New("reply holds no token that fits a header")
	case life.whole <= 0:
		return "", 0, errors.New("reply lacks a positive expires_in")
	case life.whole >= maxTokenLife.Seconds():
		return Secret(w.Token), maxTokenLife, nil
	}
	return Secret(w.Token), time.Duration(life.whole) * time.Second, nil
}

type wireError struct {
	StatusCode *wireInteger `json:"statusCode"`
	Message    *string      `json:"message"`
}

// decodeError reads the documented error body; ok says that it is one. A statusCode that no int holds is quoted in the message.
func decodeError(body []byte) (statusCode int, message string, ok bool) {
	var w wireError
	if decodeObject(body, &w) != nil || w.StatusCode == nil || w.Message == nil {
		return 0, "", false
	}
	if w.StatusCode.odd != "" {
		return 0, behind("statusCode "+w.StatusCode.odd, *w.Message), true
	}
	return w.StatusCode.value, *w.Message, true
}

type wireDomains struct {
	Domains []string `json:"domains"`
}

func encodeChecks(domains []string) ([]byte, error) {
	return json.Marshal(wireDomains{Domains: domains})
}

// wireCheck has, behind the fields of the contract, those in which registrars say that a domain is no ordinary one. They
// are guesses: what is not there bars nothing. Capitals in a name do not matter.
type wireCheck struct {
	Domain    string    `json:"domain"`
	Available *bool     `json:"available"`
	Status    wireWords `json:"status"`
	Error     string    `json:"error"`

	Reason            wireWords `json:"reason"`
	Premium           wireFlag  `json:"premium"`
	IsPremium         wireFlag  `json:"is_premium"`
	IsPremiumCamel    wireFlag  `json:"isPremium"`
	Reserved          wireFlag  `json:"reserved"`
	Price             wirePrice `json:"price"`
	PremiumPrice      wirePrice `json:"premium_price"`
	PremiumPriceCamel wirePrice `json:"premiumPrice"`
	Currency          wireWords `json:"currency"`
}

// check never reads silence as free: an item with an error, without a word on availability, or with two that contradict each
// other, is unknown.
func (w wireCheck) check() Check {
	c := Check{Domain: w.Domain, Availability: Unknown, Status: w.said(), Error: w.Error}
	switch {
	case w.Error != "" || w.Available == nil:
	case contradicts(*w.Available, c.Status):
		c.Error = "it says available " + strconv.FormatBool(*w.Available) + ", and status " + c.Status
	case *w.Available:
		c.Availability = Available
	default:
		c.Availability = Taken
	}
	return c
}

// said is all that an item says beside available or taken, on one line. Words that say no more than available are left
// out where there are others.
func (w wireCheck) said() string {
	price := w.PremiumPrice.or(w.PremiumPriceCamel)
	premium := bool(w.Premium || w.IsPremium || w.IsPremiumCamel) || price != ""
	reserved := bool(w.Reserved)
	price = price.or(w.Price)
	if w.Reason == "" && !premium && !reserved && price == "" { // as in most
		return string(w.Status)
	}
	parts := []string{string(w.Status), string(w.Reason)}
	known := barsOf(strings.Join(parts, ","))
	if premium && !slices.Contains(known, wordPremium) {
		parts = append(parts, wordPremium)
	}
	if reserved && !slices.Contains(known, wordReserved) {
		parts = append(parts, wordReserved)
	}
	parts = append(parts, price.in(string(w.Currency)))
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	if slices.ContainsFunc(parts, func(p string) bool { return !saysFree(p) }) {
		parts = slices.DeleteFunc(parts, saysFree)
	}
	return strings.Join(parts, ", ")
}

func decodeCheck(body []byte) ([]Check, error) {
	var w wireCheck
	if err := decodeObject(body, &w); err != nil {
		return nil, err
	}
	if w.Domain == "" {
		return nil, errors.New("reply names no domain")
	}
	return []Check{w.check()}, nil
}

func decodeChecks(body []byte) ([]Check, error) {
	return decodeResults(body, wireCheck.check, func(domain string) Check {
		return Check{Domain: domain, Availability: Unknown, Error: "unreadable item in the reply"}
	})
}

type wireRegistration struct {
	Domain      string   `json:"domain"`
	HolderID    string   `json:"domainholder_id"`
	Period      int      `json:"period,omitempty"` // months
	Nameservers []string `json:"nameservers,omitempty"`
}

func newWireRegistration(r Registration) wireRegistration {
	return wireRegistration{Domain: r.Domain, HolderID: r.HolderID, Period: r.PeriodMonths, Nameservers: r.Nameservers}
}

func encodeRegistration(r Registration) ([]byte, error) { return json.Marshal(newWireRegistration(r)) }

type wireRegistrations struct {
	Domains []wireRegistration `json:"domains"`
}

func encodeRegistrations(rs []Registration) ([]byte, error) {
	w := wireRegistrations{Domains: make([]wireRegistration, len(rs))}
	for i, r := range rs {
		w.Domains[i] = newWireRegistration(r)
	}
	return json.Marshal(w)
}

type wireResult struct {
	Domain     string   `json:"domain"`
	Status     string   `json:"status"`
	StatusCode wireCode `json:"statusCode"`
	Message    string   `json:"message"`
}

// result reads one item. It believes the two words of the contract, and only when the item does not contradict itself:
//
//	status             no statusCode  200 to 299  202       300 to 599  one that is none
//	registered         registered     registered  accepted  unknown     unknown
//	failed             failed         unknown     accepted  failed      failed, without code
//	pending, ...       accepted       accepted    accepted  accepted    accepted
//	any other word     accepted       accepted    accepted  unknown     accepted
//	none               unknown        unknown     accepted  unknown     unknown
//
// Accepted bars more than unknown does: WHOIS readings never clear it. So a word that says wait outweighs an error beside
// it, and so does 202.
func (w wireResult) result() Result {
	code, status := w.StatusCode, normalWord(w.Status)
	r := Result{Domain: w.Domain, Outcome: OutcomeUnknown, StatusCode: code.value, Message: w.Message}
	success := code.value == 0 || code.value/100 == 2
	switch {
	case code.value == http.StatusAccepted, saysWait(status):
		r.Outcome = Accepted
	case status == "registered" && success && code.odd == "":
		r.Outcome = Registered
	case status == "failed" && (code.value == 0 || !success):
		r.Outcome = Failed
	case status != "" && status != "registered" && status != "failed" && code.value < http.StatusMultipleChoices:
		r.Outcome = Accepted
	}
	if code.odd != "" {
		r.Message = behind("statusCode "+code.odd, r.Message)
	}
	if r.Outcome == Accepted {
		r.Message = behind(strings.TrimSpace("status "+w.Status), r.Message)
	}
	return r
}

// saysWait knows the words for what the registrar will carry out later.
func saysWait(status string) bool {
	switch status {
	case "pending", "processing", "scheduled", "queued", "accepted", "in progress", "inprogress", "waiting", "submitted", "requested":
		return true
	}
	return false
}

// behind puts what was said after what it was said with.
func behind(what, words string) string {
	if words == "" {
		return what
	}
	return what + ": " + words
}

func decodeResult(body []byte) ([]Result, error) {
	var w wireResult
	if err := decodeObject(body, &w); err != nil {
		return nil, err
	}
	if w.Domain == "" {
		return nil, errors.New("reply names no domain")
	}
	return []Result{w.result()}, nil
}

func decodeRegistrations(body []byte) ([]Result, error) {
	return decodeResults(body, wireResult.result, func(domain string) Result {
		return Result{Domain: domain, Outcome: OutcomeUnknown, Message: "unreadable item in the reply"}
	})
}

type wireHolder struct {
	ID          string `json:"id,omitempty"`
	Company     string `json:"company,omitempty"`
	FirstName   string `json:"firstname,omitempty"`
	LastName    string `json:"lastname,omitempty"`
	Email       string `json:"email,omitempty"`
	Phone       string `json:"phone,omitempty"`
	Street      string `json:"street,omitempty"`
	HouseNumber string `json:"housenumber,omitempty"`
	PostalCode  string `json:"postalcode,omitempty"`
	City        string `json:"city,omitempty"`
	Country     string `json:"country,omitempty"`
}

// encodeHolder leaves the id out: it is read-only and travels in the path.
func encodeHolder(h Holder) ([]byte, error) {
	w := wireHolder(h)
	w.ID = ""
	return json.Marshal(w)
}

func decodeHolder(body []byte) (Holder, error) {
	var w wireHolder
	if err := decodeObject(body, &w); err != nil {
		return Holder{}, err
	}
	return Holder(w), nil
}

type wireHolderSearch struct {
	ID    string `json:"id,omitempty"`
	Email string `json:"email,omitempty"`
}

func encodeHolderSearch(s HolderSearch) ([]byte, error) {
	return json.Marshal(wireHolderSearch{ID: s.ID, Email: s.Email})
}

// decodeResults reads {"results":[...]}. One item of the wrong shape must not take the answers about its
// neighbours, which may have been paid for, with it: it alone comes back as unreadable.
func decodeResults[W, T any](body []byte, convert func(W) T, unreadable func(domain string) T) ([]T, error) {
	var whole struct {
		Results []W `json:"results"`
	}
	err := decodeObject(body, &whole)
	if err == nil && whole.Results != nil {
		items := make([]T, len(whole.Results))
		for i, w := range whole.Results {
			items[i] = convert(w)
		}
		return items, nil
	}
	var shape *json.UnmarshalTypeError
	if err != nil && !errors.As(err, &shape) {
		return nil, err
	}
	var raw struct {
		Results []json.RawMessage `json:"results"`
	}
	if err := decodeObject(body, &raw); err != nil {
		return nil, err
	}
	if raw.Results == nil {
		return nil, errors.New("reply has no list of results")
	}
	items := make([]T, len(raw.Results))
	for i, r := range raw.Results {
		var w W
		var named struct {
			Domain string `json:"domain"`
		}
		if json.Unmarshal(r, &w) == nil {
			items[i] = convert(w)
		} else if json.Unmarshal(r, &named) == nil {
			items[i] = unreadable(named.Domain)
		} else {
			items[i] = unreadable("")
		}
	}
	return items, nil
}

// fieldsOfToken are those of the reply with a token.
func fieldsOfToken() []shape.Field {
	seconds := []shape.Kind{shape.Number, shape.Text}
	return []shape.Field{
		{Name: "status", Kinds: []shape.Kind{shape.Text}, Needed: true},
		{Name: "token", Kinds: []shape.Kind{shape.Text}, Needed: true},
		{Name: "expires_in", Kinds: seconds, Needed: true, Or: "expiresIn"},
		{Name: "expiresIn", Kinds: seconds},
	}
}

func fieldsOfError() []shape.Field {
	return []shape.Field{
		{Name: "statusCode", Kinds: []shape.Kind{shape.Number}, Wanted: true}, {Name: "message", Kinds: []shape.Kind{shape.Text}, Wanted: true},
	}
}

// listOfResults is the one field of a bulk reply.
const listOfResults = "results"

func fieldsOfList() []shape.Field {
	return []shape.Field{{Name: listOfResults, Kinds: []shape.Kind{shape.List}, Needed: true}}
}

// fieldsOfCheck are those that wireCheck reads. A check without a status can be used, but what a registrar calls premium or reserved
// may go unnoticed with it.
func fieldsOfCheck() []shape.Field {
	words := []shape.Kind{shape.Text, shape.List}
	return []shape.Field{
		{Name: "domain", Kinds: words[:1], Needed: true},
		{Name: "available", Kinds: []shape.Kind{shape.Truth}, Needed: true, Or: "error"},
		{Name: "status", Kinds: words, Wanted: true, Or: "error"},
		{Name: "error", Kinds: words[:1]},
		{Name: "reason", Kinds: words},
		{Name: "premium"}, {Name: "is_premium"}, {Name: "isPremium"}, {Name: "reserved"},
		{Name: "price"}, {Name: "premium_price"}, {Name: "premiumPrice"}, {Name: "currency", Kinds: words},
	}
}

// resultsOf are the results in a bulk reply, nil where it has no list of them.
func resultsOf(body []byte) []json.RawMessage {
	var list struct {
		Results []json.RawMessage `json:"results"`
	}
	if decodeObject(body, &list) != nil {
		return nil
	}
	return list.Results
}
