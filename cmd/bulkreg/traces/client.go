package traces

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// client posts spans to one URL. OpenTelemetry's own one reads a dozen variables of the environment, whatever it is told: it opens the files
// that they name, whether they are pipes or devices, shows values that it cannot read on standard error, and asks proxies.
type client struct {
	url     string
	headers map[string]string
	http    *http.Client
}

var _ otlptrace.Client = (*client)(nil)

const (
	// connsAtOnce bounds the connections to a collector: one request at a time is sent, and one more may be ending.
	connsAtOnce = 2
	// mostAnswer bounds what is read of a collector's answer, in bytes.
	mostAnswer = 64 << 10
)

func newClient(c Config) *client {
	return &client{url: c.URL, headers: c.Headers, http: &http.Client{
		Timeout: sendTime,
		Transport: &http.Transport{
			Proxy: nil, MaxConnsPerHost: connsAtOnce, MaxIdleConnsPerHost: 1, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: sendTime, MaxResponseHeaderBytes: mostAnswer,
		},
		// A redirect would lead spans, and what the headers hold, to a stranger.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Start implements otlptrace.Client. It connects when there is something to send.
func (c *client) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (c *client) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces implements otlptrace.Client. Its errors have none of the collector's words: it may quote what we sent.
func (c *client) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	body, err := proto.Marshal(&collectorpb.ExportTraceServiceRequest{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("its URL is none that can be asked")
	}
	for name, value := range c.headers {
		request.Header.Set(name, value)
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // what is needed of it was read
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("send spans: the collector answers with status %d", response.StatusCode)
	}
	return dropped(io.LimitReader(response.Body, mostAnswer))
}

// dropped reports the spans that a collector took and did not keep. An answer that cannot be read says nothing of any.
func dropped(answer io.Reader) error {
	body, err := io.ReadAll(answer)
	if err != nil {
		return fmt.Errorf("read answer of collector: %w", err)
	}
	var said collectorpb.ExportTraceServiceResponse
	if proto.Unmarshal(body, &said) == nil && said.GetPartialSuccess().GetRejectedSpans() > 0 {
		return fmt.Errorf("send spans: the collector drops %d of them", said.GetPartialSuccess().GetRejectedSpans())
	}
	return nil
}
