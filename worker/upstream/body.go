package upstream

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// readBody reads a reply of at most limit bytes. No compressed one is asked for, but some proxies compress all the same: the
// bound is then one on what comes out of it, and on what goes in.
func readBody(buf *bytes.Buffer, resp *http.Response, limit int64) error {
	coding := strings.Join(resp.Header.Values("Content-Encoding"), ", ")
	body := io.Reader(resp.Body)
	switch strings.ToLower(strings.TrimSpace(coding)) {
	case "", "identity":
	case "gzip", "x-gzip":
		unzipped, err := gzip.NewReader(&boundedReader{from: resp.Body, left: limit + gzipOverhead})
		if err != nil {
			return fmt.Errorf("unzip: %w", unexpected(err))
		}
		body = unzipped
	default:
		return fmt.Errorf("it comes with Content-Encoding %q, which was not asked for and cannot be read", coding)
	}
	_, err := buf.ReadFrom(io.LimitReader(body, limit+1))
	if err == nil && int64(buf.Len()) > limit {
		err = tooLarge(limit)
	}
	return err
}

func tooLarge(limit int64) error { return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit) }

// gzipOverhead is what a compressed reply may be longer than the one that comes out of it.
const gzipOverhead = 64 << 10

// boundedReader fails where more is there than there should be. A compressed reply that was merely cut could end where a part of
// it ends, and look whole.
type boundedReader struct {
	from io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("%w: its compressed form has no end", ErrTooLarge)
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// unexpected is err, but for an end before the beginning.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
