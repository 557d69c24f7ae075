// Package upstream is what the clients of the upstreams share: one request, sent once on a connection of its own and read in
// bounded memory, what is known of it afterwards, and secrets that do not print.
//
// All requests use HTTP/1.1. HTTP/2 lets a client send a request again that the server says it did not process (RFC 9113, 8.7),
// and net/http does so by itself; HTTP/1.1 also makes it possible to say with certainty that no byte of a request left this
// machine ([Answer.Sent]). No Idempotency-Key is sent, since no upstream knows one and net/http would take it as leave to send a
// POST twice.
//
// The package must never repeat a request, sleep, or follow a redirect, and knows no path and no field of any upstream.
package upstream
