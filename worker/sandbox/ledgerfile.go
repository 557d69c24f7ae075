package sandbox

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"time"
)

// ledgerFile is an append-only file of events, one JSON object a line. Each event is one write, so a killed
// process loses nothing it acted on; it is not synced, so a machine that loses power may lose the end.
// A nil ledgerFile takes every event and keeps none.
type ledgerFile struct {
	f    *os.File
	fail error // the first failed write; nothing is written after it
}

var errLedgerClosed = errors.New("the ledger is closed")

const (
	eventCall    = "call"    // a request was received
	eventPaid    = "paid"    // items of a call were carried out
	eventAccept  = "accept"  // items of a call are said to follow
	eventAnswer  = "answer"  // a call is about to be answered
	eventAccount = "account" // balance or direct debit were set from outside
	eventHolder  = "holder"  // a holder was created or changed
	eventDeleted = "deleted" // a holder was deleted
	eventToken   = "token"   // a GetToken token was issued
)

// eventBegins is what every line begins with.
const eventBegins = `{"event":"`

// event is one line. Which fields it has depends on Event.
type event struct {
	Event       string    `json:"event"`
	Call        *Call     `json:"call,omitempty"`
	Seq         int       `json:"seq,omitempty"` // of the call it belongs to
	At          time.Time `json:"at,omitzero"`
	Paid        []int     `json:"paid,omitempty"`     // indexes of items
	Resent      []int     `json:"resent,omitempty"`   // indexes of items
	Accepted    []int     `json:"accepted,omitempty"` // indexes of items
	Status      int       `json:"status,omitempty"`
	Fault       string    `json:"fault,omitempty"`
	Account     string    `json:"account,omitempty"`
	Balance     int       `json:"balance,omitempty"`
	DirectDebit bool      `json:"direct_debit,omitempty"`
	Holder      *Holder   `json:"holder,omitempty"`
	Created     bool      `json:"created,omitempty"`
	ID          string    `json:"id,omitempty"`
	Email       string    `json:"email,omitempty"`

	Issued *TokenIssued `json:"issued,omitempty"`
}

// openLedgerFile replays the events of a file, or makes an empty one, and opens it to append. The end of a line
// that was cut off in the middle is removed: its event was not acted on. A file that ends in what no event begins with is another
// one, and stays as it is.
func openLedgerFile(path string, replay func(event) error) (*ledgerFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() { // a pipe may never give a line
		return nil, errors.Join(fmt.Errorf("%s is no regular file: give one", path), err, f.Close())
	}
	end, err := replayEvents(f, replay)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), f.Close())
	}
	return &ledgerFile{f: f}, nil
}

// replayEvents reads whole lines and returns the offset behind the last.
func replayEvents(r io.Reader, replay func(event) error) (end int64, err error) {
	lines := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if begun := eventBegins[:min(len(line), len(eventBegins))]; string(line[:len(begun)]) != begun {
				return end, fmt.Errorf("line %d is no event: is it the right file?", n)
			}
			return end, nil
		}
		if err != nil {
			return end, err
		}
		var e event
		if err := json.Unmarshal(bytes.TrimSpace(line), &e); err != nil {
			return end, fmt.Errorf("line %d: %w; repair the line or start with another file", n, err)
		}
		if err := replay(e); err != nil {
			return end, fmt.Errorf("line %d: %w", n, err)
		}
		end += int64(len(line))
	}
}

func (l *ledgerFile) write(e event) error {
	if l == nil {
		return nil
	}
	if l.fail != nil {
		return l.fail
	}
	line, err := json.Marshal(e)
	if err == nil {
		_, err = l.f.Write(append(line, '\n'))
	}
	if err != nil {
		l.fail = fmt.Errorf("write ledger: %w", err)
	}
	return l.fail
}

func (l *ledgerFile) close() error {
	if l == nil || errors.Is(l.fail, errLedgerClosed) {
		return nil
	}
	err := errors.Join(l.fail, l.f.Close())
	l.fail = errLedgerClosed
	return err
}

// replayer takes events in again, in their order.
func (b *books) replayer() func(event) error {
	calls := map[int]*Call{} // WHOIS calls too, which the books may not keep
	return func(e event) error {
		switch e.Event {
		case eventCall:
			if e.Call == nil || e.Call.Seq <= b.seq {
				return errors.New("a call without its data, or out of order")
			}
			calls[e.Call.Seq] = e.Call
			b.enter(e.Call)
			return nil
		case eventPaid, eventAnswer, eventAccept:
			c := calls[e.Seq]
			if c == nil {
				return fmt.Errorf("no call %d before it", e.Seq)
			}
			return b.replayCall(c, e)
		case eventAccount:
			if a, ok := b.accounts[e.Account]; ok {
				a.Balance, a.DirectDebit = e.Balance, e.DirectDebit
				b.accounts[e.Account] = a
			}
			return nil
		default:
			return b.replayPeople(e)
		}
	}
}

func (b *books) replayCall(c *Call, e event) error {
	if e.Event == eventAnswer {
		c.Status, c.Fault = e.Status, e.Fault
		return nil
	}
	for _, i := range slices.Concat(e.Paid, e.Resent, e.Accepted) {
		if i < 0 || i >= len(c.Items) {
			return fmt.Errorf("call %d has no item %d", c.Seq, i)
		}
	}
	if e.Event == eventAccept {
		c.enterAccepted(e.Accepted)
		return nil
	}
	b.enterEffects(c, e.At, e.Paid, e.Resent)
	return nil
}

func (b *books) replayPeople(e event) error {
	switch {
	case e.Event == eventHolder && e.Holder != nil:
		b.putHolder(e.Account, *e.Holder)
		if e.Created {
			b.created = append(b.created, HolderCreated{e.Seq, e.Account, e.Holder.ID, e.Holder.Email})
		}
	case e.Event == eventDeleted:
		b.dropHolder(e.ID)
	case e.Event == eventToken && e.Issued != nil:
		b.enterToken(*e.Issued)
	case e.Event == eventToken: // of an older sandbox
		b.tokens[e.Email]++
	default:
		return fmt.Errorf("unknown event %q", e.Event)
	}
	return nil
}
