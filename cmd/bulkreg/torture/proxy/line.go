package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// pieceSize bounds what is read at once.
const pieceSize = 32 << 10

// line is one connection through the proxy. Each direction has a goroutine.
type line struct {
	proxy          *Proxy
	client, server net.Conn
	session        *session    // of Postgres; nil for others
	dropping       atomic.Bool // what comes back is a reply to be dropped
	frozen         atomic.Bool // nothing passes any more
	lost           bool        // guarded by proxy.mu: data of it was swallowed
	once           sync.Once
	ended          chan struct{}
}

func (l *line) close() {
	l.once.Do(func() {
		close(l.ended)
		hangUp(l.client)
		hangUp(l.server)
	})
}

// requests passes on what the client sends. The end of it is passed on as well, and leaves the other direction open.
func (l *line) requests() {
	piece := make([]byte, pieceSize)
	for {
		n, err := l.client.Read(piece)
		if err != nil && l.frozen.Load() {
			<-l.ended
			return
		}
		if n > 0 && !l.request(piece[:n]) || err != nil && (!errors.Is(err, io.EOF) || !l.finish(l.server)) {
			l.proxy.leave(l)
			return
		}
		if err != nil {
			return
		}
	}
}

// finish tells one end that the other will say no more.
func (l *line) finish(end net.Conn) bool {
	half, ok := end.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}

// request passes one piece on. It is found out before whether its reply is to be dropped: the reply may be quick.
func (l *line) request(piece []byte) bool {
	if gone, open := l.holdUp(piece); gone || !open {
		return open
	}
	if l.session != nil {
		l.readAlong(piece)
	} else if l.proxy.dropsReplyTo(piece) {
		l.dropping.Store(true)
	}
	_, err := l.server.Write(piece)
	return err == nil
}

// replies passes on what the server sends.
func (l *line) replies() {
	defer l.proxy.leave(l)
	defer func() {
		if l.frozen.Load() {
			<-l.ended
		}
	}()
	piece := make([]byte, pieceSize)
	var end readyReader
	for {
		n, err := l.server.Read(piece)
		if n > 0 {
			if l.dropping.Load() {
				// A line of Postgres is cut when the server is ready again: only then is everything done.
				if l.session == nil || end.read(piece[:n]) {
					l.proxy.count(func(c *Counts) { c.Dropped++ })
					return
				}
			} else if !l.reply(piece[:n]) {
				return
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) && !l.frozen.Load() {
				l.finish(l.client) // before the line is closed, so that nothing on its way to the client is lost
			}
			return
		}
	}
}

func (l *line) reply(piece []byte) bool {
	if gone, open := l.holdUp(piece); gone || !open {
		return open
	}
	piece, open := l.trickle(piece)
	if !open {
		return false
	}
	_, err := l.client.Write(piece)
	return err == nil
}

// holdUp does to a piece what is done in both directions: it is swallowed, and then gone, or it waits. The line may be closed
// meanwhile.
func (l *line) holdUp(piece []byte) (gone, open bool) {
	if l.frozen.Load() {
		l.swallow(len(piece))
		return true, true
	}
	switch m, every, changed := l.proxy.now(); m {
	case swallowing:
		l.swallow(len(piece))
		return true, true
	case delaying:
		if !l.wait(every, changed) {
			return false, false
		}
		l.proxy.count(func(c *Counts) { c.Delayed++ })
	}
	return false, true
}

// trickle sends a piece byte by byte for as long as the mode lasts, and returns the rest.
func (l *line) trickle(piece []byte) ([]byte, bool) {
	for len(piece) > 0 {
		m, every, changed := l.proxy.now()
		if m != trickling {
			break
		}
		if _, err := l.client.Write(piece[:1]); err != nil {
			return nil, false
		}
		piece = piece[1:]
		l.proxy.count(func(c *Counts) { c.Trickled++ })
		if !l.wait(every, changed) {
			return nil, false
		}
	}
	return piece, true
}

// swallow notes that the line has lost data: it is cut as soon as others may pass.
func (l *line) swallow(n int) {
	l.proxy.count(func(c *Counts) {
		c.Swallowed += n
		l.lost = true
	})
}

// wait waits for d, or less when the mode changes. It reports false when the line has ended.
func (l *line) wait(d time.Duration, changed <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-l.ended:
		return false
	}
	return true
}

// readAlong follows a Postgres client, and has the reply to the commit dropped, or the transaction stand still, that was asked for.
func (l *line) readAlong(piece []byte) {
	l.session.read(piece, func(statement string) {
		s := l.session
		if s.inBlock && l.proxy.freezesAfter(statement) {
			l.frozen.Store(true)
			l.proxy.count(func(*Counts) { l.lost = true })
		}
		if s.chosen == "" && l.proxy.dropsCommitOf(statement) {
			s.chosen = statement
		}
		switch {
		case s.chosen == "":
		case rollsBack(statement):
			l.proxy.rearm(s.chosen)
			s.chosen = ""
		case !s.inBlock:
			l.dropping.Store(true)
		}
	})
}
