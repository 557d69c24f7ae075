package upstream

import "errors"

// Cause has the text of an error after cleaning and not the error itself: net/http quotes what it could not parse, and
// the upstream may have put anything there. It answers errors.Is as the original does but does not hand the original out.
func Cause(text string, err error) error { return &safeCause{text: text, err: err} }

type safeCause struct {
	text string
	err  error
}

func (c *safeCause) Error() string        { return c.text }
func (c *safeCause) Is(target error) bool { return errors.Is(c.err, target) }

// Timeout reports whether time ran out, as net.Error does.
func (c *safeCause) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(c.err, &t) && t.Timeout()
}
