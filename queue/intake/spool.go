package intake

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/bits"
	"os"

	"github.com/bulkreg/bulkreg/store/orders"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake/holder"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/queue/intake/spill"
	"github.com/bulkreg/bulkreg/store/seal"
)

// Spool holds an order's jobs, many of them in a temporary file. It can be read any number of times, by one goroutine at once.
type Spool struct {
	text    spill.Buffer
	len     int
	digest  digest
	holders knownHolders
}

// entry is one job in the file.
type entry struct {
	Domain       string   `json:"d,omitempty"`
	Unicode      string   `json:"u,omitempty"` // where it differs
	HolderID     string   `json:"h,omitempty"`
	PeriodMonths int      `json:"p,omitempty"`
	Nameservers  []string `json:"n,omitempty"`
	AllowStatus  []string `json:"a,omitempty"`
	Holder       []byte   `json:"k,omitempty"` // digest of its details, where it names no id
	Person       *person  `json:"t,omitempty"` // of a token
	// Details are no part of the order's digest, which has theirs. They stand with the first jobs of a holder only.
	Details json.RawMessage `json:"o,omitempty"`
}

// SpoolError says that an order's jobs could not be kept in a temporary file.
type SpoolError struct {
	Folder string // for temporary files
	Err    error
}

func (e *SpoolError) Error() string { return e.Err.Error() }
func (e *SpoolError) Unwrap() error { return e.Err }

// ReadSpool reads every record of r. Each line that cannot be used goes to reject, and reading goes on; an error of
// reject's own, or of reading, ends it. The caller closes the spool.
func ReadSpool(r *input.Reader, reject func(*input.RejectError) error) (_ *Spool, err error) {
	s := &Spool{holders: knownHolders{most: maxKnown}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	for {
		record, err := r.Next()
		var bad *input.RejectError
		switch {
		case errors.Is(err, io.EOF):
			return s, nil
		case errors.As(err, &bad):
			if err := reject(bad); err != nil {
				return nil, err
			}
			continue
		case err != nil:
			return nil, fmt.Errorf("read input: %w", err)
		}
		if err := s.add(entryOf(record), record.Holder); err != nil {
			return nil, err
		}
	}
}

func entryOf(r input.Record) entry {
	if r.Person.Email != "" {
		p := person(r.Person)
		return entry{Person: &p}
	}
	e := entry{Domain: r.Domain.ASCII, HolderID: r.HolderID, PeriodMonths: r.PeriodMonths, Nameservers: r.Nameservers, AllowStatus: r.AllowStatus}
	if r.Domain.Unicode != r.Domain.ASCII {
		e.Unicode = r.Domain.Unicode
	}
	return e
}

func (s *Spool) add(e entry, details *holder.Details) error {
	known := s.holders.name(&e, details)
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode job: %w", err)
	}
	s.digest.add(line)
	s.len++
	if !known {
		if line, err = withDetails(e, details); err != nil {
			return err
		}
	}
	if _, err := s.text.Write(append(line, '\n')); err != nil {
		return &SpoolError{Folder: os.TempDir(), Err: err}
	}
	return nil
}

// Len is how many jobs there are.
func (s *Spool) Len() int { return s.len }

// Digest is the same for the same jobs in any order.
func (s *Spool) Digest() [32]byte { return s.digest.sum() }

// Close lets go of the jobs.
func (s *Spool) Close() error { return s.text.Close() }

// Domains yields the domains, in ASCII form.
func (s *Spool) Domains() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for e, err := range s.entries() {
			if !yield(e.Domain, err) || err != nil {
				return
			}
		}
	}
}

// Holders yields the ids of the order's holders, each once, and the details of those who come with them. At most maxKnown are
// told apart: of an order with more, some may come twice.
func (s *Spool) Holders() iter.Seq2[WantedHolder, error] {
	return func(yield func(WantedHolder, error) bool) {
		seen := map[string]bool{}
		for e, err := range s.entries() {
			if err != nil {
				yield(WantedHolder{}, err)
				return
			}
			key, wanted := e.HolderID, WantedHolder{ID: e.HolderID}
			if e.Holder != nil {
				if e.Details == nil {
					continue // they came before
				}
				key, wanted.Details = string(e.Holder), &holder.Details{}
				if err := json.Unmarshal(e.Details, wanted.Details); err != nil {
					yield(WantedHolder{}, fmt.Errorf("read spool file: %w", err))
					return
				}
			}
			if seen[key] {
				continue
			}
			if len(seen) == maxKnown {
				clear(seen)
			}
			seen[key] = true
			if !yield(wanted, nil) {
				return
			}
		}
	}
}

// WantedHolder is a holder of an order: an id, or details.
type WantedHolder struct {
	ID      string
	Details *holder.Details
}

// Wanted is one domain of an order, and what may be said of it.
type Wanted struct {
	Domain      string // in ASCII form
	AllowStatus []string
}

// Wanted yields the domains with the words that each allows.
func (s *Spool) Wanted() iter.Seq2[Wanted, error] {
	return func(yield func(Wanted, error) bool) {
		for e, err := range s.entries() {
			if !yield(Wanted{e.Domain, e.AllowStatus}, err) || err != nil {
				return
			}
		}
	}
}

func (s *Spool) entries() iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		text, err := s.text.Reader()
		if err != nil {
			yield(entry{}, &SpoolError{Folder: os.TempDir(), Err: err})
			return
		}
		decoder := json.NewDecoder(text)
		for range s.len {
			var e entry
			if err := decoder.Decode(&e); err != nil {
				yield(entry{}, fmt.Errorf("read spool file: %w", err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (s *Spool) jobs(o Order, keys seal.Keys) iter.Seq2[orders.NewJob, error] {
	return func(yield func(orders.NewJob, error) bool) {
		for e, err := range s.entries() {
			if err != nil {
				yield(orders.NewJob{}, err)
				return
			}
			if e.Person != nil {
				job, err := tokenJob(o, *e.Person, keys)
				if !yield(job, err) || err != nil {
					return
				}
				continue
			}
			job := orders.NewJob{
				ID:     queue.JobID(o.Source, o.Reference, o.Kind, e.Domain),
				Domain: e.Domain, DomainUnicode: e.Unicode,
				HolderID: e.HolderID, PeriodMonths: e.PeriodMonths, Nameservers: e.Nameservers, AllowStatus: e.AllowStatus,
				HolderDetails: e.Details,
			}
			copy(job.Holder[:], e.Holder)
			if !yield(job, nil) {
				return
			}
		}
	}
}

// digest adds up the SHA-256 sums of its parts, as 256-bit numbers, so that their order does not matter.
type digest [4]uint64

func (d *digest) add(part []byte) {
	sum := sha256.Sum256(part)
	var carry uint64
	for i := range d {
		var word uint64
		for j := range 8 {
			word |= uint64(sum[8*i+j]) << (8 * j)
		}
		d[i], carry = bits.Add64(d[i], word, carry)
	}
}

func (d digest) sum() (out [32]byte) {
	for i, word := range d {
		for j := range 8 {
			out[8*i+j] = byte(word >> (8 * j))
		}
	}
	return out
}
