package config

import (
	"errors"
	"net/url"
	"strings"

	"github.com/bulkreg/bulkreg/worker/registrar"
)

// Collector is where traces go.
type Collector struct {
	URL     string // "": nowhere
	Headers map[string]string
}

// Collector reads where traces go. Its variables are those of OpenTelemetry, and may be there for the sake of other programs: what is wrong
// with them stops nothing.
func (c Config) Collector() (Collector, error) {
	if c.TracesEndpoint == "" {
		return Collector{}, nil
	}
	u, err := url.Parse(c.TracesEndpoint)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.RawQuery != "", u.Fragment != "":
		return Collector{}, errors.New("OTEL_EXPORTER_OTLP_ENDPOINT is no URL of a collector, such as " + exampleOf("OTEL_EXPORTER_OTLP_ENDPOINT"))
	case u.User != nil:
		return Collector{}, errors.New("OTEL_EXPORTER_OTLP_ENDPOINT holds a user or password: give it in OTEL_EXPORTER_OTLP_HEADERS")
	}
	headers, err := headersOf(string(c.TracesHeaders))
	return Collector{URL: strings.TrimRight(c.TracesEndpoint, "/") + "/v1/traces", Headers: headers}, err
}

// headersOf reads NAME=VALUE entries with commas between them. Values may be escaped as in a URL.
func headersOf(text string) (map[string]string, error) {
	headers := map[string]string{}
	for entry := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(entry) == "" {
			continue
		}
		name, value, found := strings.Cut(entry, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if err != nil || !found || name == "" || strings.ContainsAny(name, " \t:") || strings.ContainsAny(value, "\r\n\x00") {
			return nil, errors.New("OTEL_EXPORTER_OTLP_HEADERS has an entry that is none: give NAME=VALUE, with commas between them")
		}
		headers[name] = value
	}
	return headers, nil
}

// traceSecrets are what a collector lets us in with.
func (c Config) traceSecrets() []registrar.Secret {
	headers, _ := headersOf(string(c.TracesHeaders)) // what cannot be read is not used
	var all []registrar.Secret
	for _, value := range headers {
		all = append(all, registrar.Secret(value))
		if _, credentials, found := strings.Cut(value, " "); found { // behind Bearer or Basic
			all = append(all, registrar.Secret(credentials))
		}
	}
	return all
}

// TracesWarning tells of traces that do not go where they should, or whose headers others may read on the way.
func (c Config) TracesWarning() string {
	collector, err := c.Collector()
	if err != nil {
		return err.Error() + "; no traces are sent"
	}
	if host := plainHost(collector.URL); len(collector.Headers) > 0 && Outside(host) {
		return "OTEL_EXPORTER_OTLP_ENDPOINT begins with http:// and leads out of the private networks: what OTEL_EXPORTER_OTLP_HEADERS holds can be read on the way"
	}
	return ""
}
