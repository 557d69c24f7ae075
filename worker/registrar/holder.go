package registrar

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
)

// Holder is the registrant of domains, DomainHolder in the words of the upstream. It is personal data: printed with
// fmt it shows its id alone. Phone is E.164, Country ISO 3166-1 alpha-2.
type Holder struct {
	ID          string
	Company     string
	FirstName   string
	LastName    string
	Email       string
	Phone       string
	Street      string
	HouseNumber string
	PostalCode  string
	City        string
	Country     string
}

// Format prints the id alone, whatever the verb.
func (h Holder) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "holder(%s)", h.ID) }

// maxHolderID is how many bytes an upstream may take for an id, far more than any does.
const maxHolderID = 255

// idProblem says why an id cannot be kept, sent and shown.
func idProblem(id string) string {
	switch {
	case id == "":
		return "names no holder id"
	case len(id) > maxHolderID:
		return "has a holder id that is too long"
	case strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "has a holder id that cannot be printed"
	}
	return ""
}

// HolderSearch names a holder by ID or Email, one of the two.
type HolderSearch struct {
	ID, Email string
	// Known is what the caller knows of the holder already. It is not sent; it is hidden in the upstream's words.
	Known Holder
}

// Format prints the id alone, whatever the verb.
func (s HolderSearch) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "holder search(%s)", s.ID) }

// HolderReply holds what the upstream has on record.
type HolderReply struct {
	Answer
	Holder Holder
}

// CreateHolder creates a holder and returns it with its id. h.ID is not sent.
func (c *Client) CreateHolder(ctx context.Context, h Holder) (HolderReply, error) {
	body, err := encodeHolder(h)
	if err != nil {
		return c.refuseHolder(OpHolderCreate, err.Error())
	}
	return c.doHolder(ctx, request{
		op: OpHolderCreate, method: http.MethodPut, path: c.paths.Holder, body: body,
		success: isOKOrCreated, personal: personalOf([]Holder{h}),
	}, "")
}

// FindHolder gets a holder by id or e-mail address. One that does not exist is an Error with Status 404.
func (c *Client) FindHolder(ctx context.Context, s HolderSearch) (HolderReply, error) {
	if (s.ID == "") == (s.Email == "") {
		return c.refuseHolder(OpHolderFind, "give an id or an e-mail address, one of the two")
	}
	body, err := encodeHolderSearch(s)
	if err != nil {
		return c.refuseHolder(OpHolderFind, err.Error())
	}
	return c.doHolder(ctx, request{
		op: OpHolderFind, method: http.MethodPost, path: c.paths.Holder, body: body,
		success: isOK, personal: personalOf([]Holder{s.Known, {Email: s.Email}}),
	}, s.ID)
}

// UpdateHolder changes the fields of holder h.ID that are not empty.
func (c *Client) UpdateHolder(ctx context.Context, h Holder) (HolderReply, error) {
	if why := checkPathValue("holder id", h.ID); why != "" {
		return c.refuseHolder(OpHolderUpdate, why)
	}
	body, err := encodeHolder(h)
	if err != nil {
		return c.refuseHolder(OpHolderUpdate, err.Error())
	}
	return c.doHolder(ctx, request{
		op: OpHolderUpdate, method: http.MethodPatch, path: fillPath(c.paths.HolderByID, placeID, h.ID), body: body,
		success: isOK, personal: personalOf([]Holder{h}),
	}, h.ID)
}

// DeleteHolder deletes a holder.
func (c *Client) DeleteHolder(ctx context.Context, id string) (Answer, error) {
	if why := checkPathValue("holder id", id); why != "" {
		return c.refuse(OpHolderDelete, why)
	}
	return c.do(ctx, request{
		op: OpHolderDelete, method: http.MethodDelete, path: fillPath(c.paths.HolderByID, placeID, id),
		success: isOKOrNoContent, limit: replyLimit(1), private: true,
	})
}

// doHolder sends r. A reply without an id is about the holder knownID; when that is empty too, it is no use.
func (c *Client) doHolder(ctx context.Context, r request, knownID string) (HolderReply, error) {
	var reply HolderReply
	r.limit, r.private = replyLimit(1), true
	r.decode = func(body []byte) error {
		h, err := decodeHolder(body)
		if err != nil {
			return err
		}
		if h.ID == "" {
			h.ID = knownID
		}
		if why := idProblem(h.ID); why != "" {
			return errors.New("reply " + why)
		}
		reply.Holder = h
		return nil
	}
	var err error
	reply.Answer, err = c.do(ctx, r)
	return reply, err
}

func (c *Client) refuseHolder(op Op, why string) (HolderReply, error) {
	answer, err := c.refuse(op, why)
	return HolderReply{Answer: answer}, err
}
