package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

const (
	contentJSON = "application/json"
	contentHTML = "text/html; charset=utf-8"
)

// message is an answer in bytes.
type message struct {
	status  int
	kind    string // Content-Type
	body    []byte
	headers map[string]string
}

// send answers as the contract says.
func (s *Sandbox) send(w http.ResponseWriter, c *Call, a answer, hit *Injected) {
	m := render(c.Op, a)
	if !s.record(w, c, m.status, hit) {
		return
	}
	m.write(w)
}

// record notes the answer before it leaves. A ledger that cannot be written is answered 500, honestly.
func (s *Sandbox) record(w http.ResponseWriter, c *Call, status int, hit *Injected) bool {
	fault := ""
	if hit != nil {
		fault = hit.ID
	}
	if err := s.books.answered(c, status, fault); err != nil {
		f := failure{http.StatusInternalServerError, err.Error()}
		writeJSON(w, f.status, errorBody(c.Op, f))
		return false
	}
	return true
}

func render(op Op, a answer) message {
	var v any
	switch {
	case a.failure != nil:
		v = errorBody(op, *a.failure)
	case a.results != nil && a.bulk:
		v = resultList{a.results}
	case len(a.results) > 0:
		v = a.results[0]
	case a.value != nil:
		v = a.value
	default:
		return message{status: a.status}
	}
	return jsonMessage(a.status, v)
}

func jsonMessage(status int, v any) message {
	body, err := json.Marshal(v)
	if err != nil {
		return message{http.StatusInternalServerError, contentHTML, webPage(http.StatusInternalServerError), nil}
	}
	return message{status: status, kind: contentJSON, body: body}
}

func webPage(status int) []byte {
	return fmt.Appendf(nil, "<!doctype html><title>%d</title><h1>%d %s</h1>\n", status, status, http.StatusText(status))
}

func writeJSON(w http.ResponseWriter, status int, v any) { jsonMessage(status, v).write(w) }

// write sends a message. A client that is gone is no failure of the sandbox, so write errors have no reader.
func (m message) write(w http.ResponseWriter) {
	m.head(w, len(m.body))
	w.Write(m.body)
}

func (m message) head(w http.ResponseWriter, length int) {
	for name, value := range m.headers {
		w.Header().Set(name, value)
	}
	if m.kind != "" {
		w.Header().Set("Content-Type", m.kind)
	}
	w.Header().Set("Content-Length", strconv.Itoa(length))
	w.WriteHeader(m.status)
}

// reply answers a request, in the way of the fault that hit it.
func (s *Sandbox) reply(w http.ResponseWriter, r *http.Request, c *Call, a answer, hit *Injected) {
	if hit == nil {
		s.send(w, c, a, nil)
		return
	}
	f := hit.fault
	if f.effect() != EffectLate {
		s.delay(r, f.Delay)
	}
	if f.Kind == KindAccepted {
		if err := s.books.acceptCall(c, a.results, f); err != nil {
			a, hit, f = failed(&failure{http.StatusInternalServerError, err.Error()}), nil, Fault{}
		}
	}
	if f.ofResults() {
		var changed bool
		a.results, changed = f.change(a.results)
		hit.settle(changed)
		s.send(w, c, a, hit)
		return
	}
	if f.Kind == KindQuote {
		why := s.books.quoted(c, f)
		if c.Op == OpToken {
			why = s.books.quotedPerson(a.person)
		}
		f.Kind, f.Message = KindStatus, why.message
	}
	m := s.disguise(f, c.Op, a)
	if !s.record(w, c, m.status, hit) {
		return
	}
	s.deliver(w, r, f, m)
}

// disguise is the message that a fault makes of an answer; a zero status means that no byte is sent.
func (s *Sandbox) disguise(f Fault, op Op, a answer) message {
	switch f.Kind {
	case KindCut, KindReset, KindBlackHole:
		return message{}
	case KindHTML:
		return message{status: http.StatusOK, kind: contentHTML, body: webPage(http.StatusOK)}
	case KindStatus:
		return s.status(f, op)
	case KindAccepted:
		return f.acceptedMessage(op, a)
	}
	m := render(op, a)
	switch f.Kind {
	case KindContentType:
		m.kind = "text/plain; charset=utf-8"
	case KindHalfJSON:
		m.body = m.body[:len(m.body)/2]
	case KindGzip:
		m = m.gzipped()
	case KindOddCode:
		m.body = f.oddCodes(m.body)
	case KindDropField, KindRenameField, KindAddField:
		m.body = f.otherFields(m.body)
	}
	return m
}

func (s *Sandbox) status(f Fault, op Op) message {
	text := f.Message
	if text == "" {
		text = "scripted fault: " + http.StatusText(f.Status)
	}
	m := jsonMessage(f.Status, errorBody(op, failure{f.Status, text}))
	if f.Bare {
		m.kind, m.body = contentHTML, webPage(f.Status)
		if f.Message != "" {
			m.body = append(m.body, "<p>"+f.Message...)
		}
	}
	m.headers = map[string]string{}
	if f.RetryAfter > 0 {
		m.headers["Retry-After"] = f.retryAfter(s.opts.Clock())
	}
	if f.Location != "" {
		m.headers["Location"] = f.Location
	}
	return m
}

// deliver sends a message, or fails to, in the way of a fault.
func (s *Sandbox) deliver(w http.ResponseWriter, r *http.Request, f Fault, m message) {
	switch f.Kind {
	case KindCut:
		hangUp(w, false)
	case KindReset:
		hangUp(w, true)
	case KindBlackHole:
		s.untilGone(r)
		hangUp(w, false)
	case KindTruncate:
		m.head(w, len(m.body))
		w.Write(m.body[:len(m.body)/2]) // the server closes a line on which it sent less than it announced
	case KindTrickle:
		s.trickle(w, r, m, f.Interval)
	default:
		m.write(w)
	}
}

func (s *Sandbox) trickle(w http.ResponseWriter, r *http.Request, m message, interval time.Duration) {
	if interval == 0 {
		interval = time.Second
	}
	out := http.NewResponseController(w)
	m.head(w, len(m.body))
	for i := range m.body {
		_, err := w.Write(m.body[i : i+1])
		if err = errors.Join(err, out.Flush()); err != nil || !s.delay(r, interval) {
			return
		}
	}
}

// hangUp closes the line without a byte, with a FIN or with a TCP reset.
func hangUp(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the server's own way to close a line; all that HTTP/2 allows
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// delay waits while there is a client to answer, and reports whether there still is.
func (s *Sandbox) delay(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
	case <-s.done:
	}
	return false
}

// waitLate waits for what a late effect comes after: the delay, and for a black hole the client's end too.
func (s *Sandbox) waitLate(r *http.Request, f Fault) {
	if f.Kind == KindBlackHole {
		s.untilGone(r)
	}
	s.pause(f.Delay)
}

func (s *Sandbox) untilGone(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-s.done:
	}
}
