package proxy

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// session follows what a Postgres client says on one line (PostgreSQL documentation, "Message Formats"): which
// statements it runs, and whether it is in a transaction block. It reads Query, Parse and Bind and passes over the rest.
type session struct {
	started    bool
	statements map[string]string // prepared ones, by name
	inBlock    bool
	chosen     string // the statement whose transaction's commit is to go unanswered

	message
}

// message is the one being read.
type message struct {
	head     []byte // type, where there is one, and length
	headRead bool
	kind     byte
	left     int    // bytes of the body still to come
	body     []byte // the first of them
}

// keep bounds what is kept of a body: names and statements lie at the beginning.
const keep = 64 << 10

func newSession() *session { return &session{statements: map[string]string{}} }

// read takes in a piece of what the client says and tells of each statement that is run.
func (s *session) read(piece []byte, run func(statement string)) {
	for len(piece) > 0 || s.headRead && s.left == 0 {
		if !s.headRead {
			piece = s.readHead(piece)
			continue
		}
		n := min(len(piece), s.left)
		s.body = append(s.body, piece[:min(n, keep-len(s.body))]...)
		piece, s.left = piece[n:], s.left-n
		if s.left == 0 {
			s.end(run)
			s.message = message{}
		}
	}
}

// The first message of a line has no type; it gets this one.
const startup = 1

func (s *session) readHead(piece []byte) []byte {
	size := 5
	if !s.started {
		size = 4
	}
	n := min(len(piece), size-len(s.head))
	s.head = append(s.head, piece[:n]...)
	if len(s.head) < size {
		return piece[n:]
	}
	s.headRead, s.kind = true, s.head[0]
	if !s.started {
		s.started, s.kind = true, startup
	}
	s.left = max(int(binary.BigEndian.Uint32(s.head[size-4:]))-4, 0)
	return piece[n:]
}

// end acts on a message that was read whole.
func (s *session) end(run func(string)) {
	switch s.kind {
	case 'Q':
		text, _ := cutString(s.body)
		s.run(text, run)
	case 'P':
		name, rest := cutString(s.body)
		s.statements[name], _ = cutString(rest)
	case 'B':
		_, rest := cutString(s.body) // the portal
		name, _ := cutString(rest)
		s.run(s.statements[name], run)
	}
}

func (s *session) run(statement string, run func(string)) {
	switch word := firstWord(statement); word {
	case "begin":
		s.inBlock = true
	case "commit", "rollback":
		s.inBlock = false
	}
	run(statement)
}

func rollsBack(statement string) bool { return firstWord(statement) == "rollback" }

func firstWord(statement string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(statement), " ")
	return strings.ToLower(strings.TrimSuffix(word, ";"))
}

// cutString cuts off a string that ends in a zero byte.
func cutString(b []byte) (string, []byte) {
	text, rest, _ := bytes.Cut(b, []byte{0})
	return string(text), rest
}

// readyReader looks for the message ReadyForQuery in what a server says, from the beginning of a message on.
type readyReader struct {
	head []byte
	left int
}

func (r *readyReader) read(piece []byte) (ready bool) {
	for len(piece) > 0 {
		if r.left > 0 {
			n := min(len(piece), r.left)
			piece, r.left = piece[n:], r.left-n
			continue
		}
		n := min(len(piece), 5-len(r.head))
		r.head = append(r.head, piece[:n]...)
		piece = piece[n:]
		if len(r.head) < 5 {
			continue
		}
		if r.head[0] == 'Z' {
			return true
		}
		r.left = max(int(binary.BigEndian.Uint32(r.head[1:]))-4, 0)
		r.head = r.head[:0]
	}
	return false
}
