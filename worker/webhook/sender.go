package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"code.dny.dev/ssrf"

	"github.com/bulkreg/bulkreg/queue/hook"
	"github.com/bulkreg/bulkreg/store/webhooks"
	"github.com/bulkreg/bulkreg/worker/upstream"
)

// sender makes attempts.
type sender struct {
	agent string
	clock func() time.Time
	https *http.Transport
	http  *http.Transport
}

func newSender(o Options) *sender {
	g := newGuard(o.Allowed)
	return &sender{agent: o.Agent, clock: o.Clock, https: g.transport(o.Resolver, g.encrypted), http: g.transport(o.Resolver, g.plain)}
}

func (s *sender) close() {
	s.https.CloseIdleConnections()
	s.http.CloseIdleConnections()
}

// answer is what came of an attempt.
type answer struct {
	status     int    // 0: none came
	failure    string // in our words; "": it went well
	begins     string
	retryAfter time.Duration
	took       time.Duration
}

func (s *sender) send(ctx context.Context, to string, m message, secrets []hook.Secret) answer {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := s.clock()
	a := s.post(ctx, to, m, secrets, began)
	a.took = max(0, s.clock().Sub(began))
	return a
}

func (s *sender) post(ctx context.Context, to string, m message, secrets []hook.Secret, now time.Time) answer {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(m.body))
	if err != nil {
		return answer{failure: "the URL cannot be used"}
	}
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {s.agent}, "Webhook-Id": {m.id},
		"Webhook-Timestamp": {strconv.FormatInt(now.Unix(), 10)}, "Webhook-Signature": {signatures(secrets, m, now)},
	}
	transport := s.https
	if req.URL.Scheme != "https" {
		transport = s.http
	}
	resp, err := transport.RoundTrip(req) // which follows no redirect
	if err != nil {
		return answer{failure: inOurWords(ctx, err)}
	}
	defer func() { _ = resp.Body.Close() }() // nothing of it is needed any more
	a := answer{status: resp.StatusCode, begins: beginning(resp.Body)}
	switch {
	case resp.StatusCode < 100 || resp.StatusCode > 999: // net/http takes such ones, and nobody knows what they mean
		a.status, a.failure = 0, "it answers with no status of HTTP"
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		a.failure = "it redirects, which is not followed: give the URL that it leads to"
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		a.failure = "it answers " + strconv.Itoa(resp.StatusCode)
		a.retryAfter = upstream.ParseRetryAfterUpTo(resp.Header.Get("Retry-After"), now, maxRetryAfter)
	}
	return a
}

// beginning is how an answer begins, with nothing in it that no text has. Whoever shows it escapes it.
func beginning(body io.Reader) string {
	buf, _ := io.ReadAll(io.LimitReader(body, webhooks.MaxAnswer*utf8.UTFMax)) // what came before it broke off is what there is
	text := []rune(strings.ToValidUTF8(strings.ReplaceAll(string(buf), "\x00", ""), "\uFFFD"))
	return string(text[:min(len(text), webhooks.MaxAnswer)])
}

// inOurWords says what went wrong, without the URL, which may hold a secret of the receiver's.
func inOurWords(ctx context.Context, err error) string {
	var (
		named   *net.DNSError
		cert    *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		timeout interface{ Timeout() bool }
		wrapped *url.Error
	)
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	switch {
	case errors.Is(err, ssrf.ErrProhibitedIP), errors.Is(err, ssrf.ErrProhibitedNetwork), errors.Is(err, ssrf.ErrInvalidHostPort):
		return "its address is not public: networks in WEBHOOK_ALLOWED_NETWORKS may be private"
	case errors.Is(err, errPlain):
		return errPlain.Error()
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer came in time"
	case errors.As(err, &named) && named.IsNotFound:
		return "its name is not known"
	case errors.As(err, &named):
		return "its name cannot be looked up"
	case errors.As(err, &cert):
		return "its certificate is not good: " + ofCertificate(cert)
	case errors.As(err, &record):
		return "it does not speak TLS"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "it refuses connections"
	}
	return "the connection broke off, or there was none"
}

// ofCertificate says what is wrong with a certificate. What stands in it is the receiver's word, of any length, and is not repeated.
func ofCertificate(err error) string {
	var (
		names   x509.HostnameError
		signer  x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &names):
		return "it is for other names"
	case errors.As(err, &signer):
		return "nobody known here has signed it"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "it has expired, or is not good yet"
	}
	return "it cannot be verified"
}

// ok reports whether an attempt went well.
func (a answer) ok() bool { return a.failure == "" }

// trouble reports whether a failure tells against the endpoint as a whole, and not against this event.
func (a answer) trouble() bool {
	return !a.ok() && (a.status == 0 || a.status == http.StatusTooManyRequests || a.status >= 500)
}
