package sandbox

import (
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/text/language"
)

// Holder is a DomainHolder as the contract has it.
type Holder struct {
	ID          string `json:"id,omitempty"`
	Company     string `json:"company,omitempty"`
	Firstname   string `json:"firstname,omitempty"`
	Lastname    string `json:"lastname,omitempty"`
	Email       string `json:"email,omitempty"`
	Phone       string `json:"phone,omitempty"` // E.164
	Street      string `json:"street,omitempty"`
	Housenumber string `json:"housenumber,omitempty"`
	Postalcode  string `json:"postalcode,omitempty"`
	City        string `json:"city,omitempty"`
	Country     string `json:"country,omitempty"` // ISO 3166-1 alpha-2
}

type holderSearch struct {
	ID    string `json:"id"`
	Email string `json:"email"`
}

// heldHolder is a holder and the account that made it; an empty account means everybody's.
type heldHolder struct {
	account string
	Holder
}

var (
	e164    = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	alpha2  = regexp.MustCompile(`^[A-Z]{2}$`)
	dotless = regexp.MustCompile(`@[^.]*$`)
)

func noHolder() *failure { return &failure{http.StatusNotFound, "domainholder does not exist"} }

// invalid is what is wrong with a holder, nil if nothing is. The contract requires no field; the sandbox wants an
// e-mail address, because a holder is found again by it.
func (h Holder) invalid() *failure {
	switch {
	case !validEmail(h.Email):
		return unprocessable("email is not a valid address")
	case h.Phone != "" && !e164.MatchString(h.Phone):
		return unprocessable("phone is not an E.164 number")
	case h.Country != "" && !validCountry(h.Country):
		return unprocessable("country is not an ISO 3166-1 alpha-2 code")
	}
	return nil
}

func validEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && !dotless.MatchString(s)
}

func validCountry(s string) bool {
	region, err := language.ParseRegion(s)
	return err == nil && alpha2.MatchString(s) && region.IsCountry()
}

func (s *Sandbox) readCreateHolder(r *http.Request, body []byte) task {
	var h Holder
	if f := decode(r, body, &h); f != nil {
		return failing(f)
	}
	return task{run: func(c *Call, _ extent) answer {
		if f := h.invalid(); f != nil {
			return failed(f)
		}
		h.ID = uuid.NewString()
		return holderAnswer(http.StatusCreated, h, s.books.saveHolder(c, h, true))
	}}
}

func (s *Sandbox) readFindHolder(r *http.Request, body []byte) task {
	var q holderSearch
	if f := decode(r, body, &q); f != nil {
		return failing(f)
	}
	if (q.ID == "") == (q.Email == "") {
		return failing(badRequest("give one of id and email"))
	}
	return task{run: func(c *Call, _ extent) answer {
		h, f := s.books.findHolder(c.Account, q)
		return holderAnswer(http.StatusOK, h, f)
	}}
}

func (s *Sandbox) readUpdateHolder(r *http.Request, body []byte) task {
	id := r.PathValue("id")
	return task{run: func(c *Call, _ extent) answer {
		h, f := s.books.findHolder(c.Account, holderSearch{ID: id})
		if f != nil {
			return failed(f)
		}
		if f := decode(r, body, &h); f != nil { // fields that are absent stay as they are
			return failed(f)
		}
		h.ID = id
		if f := h.invalid(); f != nil {
			return failed(f)
		}
		return holderAnswer(http.StatusOK, h, s.books.saveHolder(c, h, false))
	}}
}

func (s *Sandbox) readDeleteHolder(r *http.Request, _ []byte) task {
	id := r.PathValue("id")
	return task{run: func(c *Call, _ extent) answer {
		if f := s.books.deleteHolder(c, id); f != nil {
			return failed(f)
		}
		return answer{status: http.StatusOK}
	}}
}

func holderAnswer(status int, h Holder, f *failure) answer {
	if f != nil {
		return failed(f)
	}
	return answer{status: status, value: h}
}

// findHolder is the holder with an id, or the oldest with an e-mail address, among those an account may see.
func (b *books) findHolder(account string, q holderSearch) (Holder, *failure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range b.holderIDs {
		h := b.visible(account, id)
		if h == nil {
			continue
		}
		if (q.ID != "" && id == q.ID) || (q.Email != "" && strings.EqualFold(h.Email, q.Email)) {
			return h.Holder, nil
		}
	}
	return Holder{}, noHolder()
}

func (b *books) saveHolder(c *Call, h Holder, created bool) *failure {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.holders[h.ID]; !known && !created {
		return noHolder() // deleted in between
	}
	e := event{Event: eventHolder, Seq: c.Seq, Account: c.Account, Holder: &h, Created: created}
	if err := b.file.write(e); err != nil {
		return &failure{http.StatusInternalServerError, err.Error()}
	}
	b.putHolder(c.Account, h)
	if created {
		b.created = append(b.created, HolderCreated{c.Seq, c.Account, h.ID, h.Email})
	}
	return nil
}

func (b *books) deleteHolder(c *Call, id string) *failure {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.visible(c.Account, id) == nil {
		return noHolder()
	}
	if err := b.file.write(event{Event: eventDeleted, Seq: c.Seq, ID: id}); err != nil {
		return &failure{http.StatusInternalServerError, err.Error()}
	}
	b.dropHolder(id)
	return nil
}

// visible is a holder that an account may use, nil for none.
func (b *books) visible(account, id string) *heldHolder {
	if h := b.holders[id]; h != nil && (h.account == "" || h.account == account) {
		return h
	}
	return nil
}

// putHolder adds or replaces a holder; a replaced one keeps its account.
func (b *books) putHolder(account string, h Holder) {
	if known, ok := b.holders[h.ID]; ok {
		known.Holder = h
		return
	}
	b.holders[h.ID] = &heldHolder{account: account, Holder: h}
	b.holderIDs = append(b.holderIDs, h.ID)
}

func (b *books) dropHolder(id string) {
	delete(b.holders, id)
	b.holderIDs = slices.DeleteFunc(b.holderIDs, func(s string) bool { return s == id })
}
