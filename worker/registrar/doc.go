// Package registrar is the client of the registrar's Domain API: WHOIS checks, registrations and domain holders.
//
// One method is one request to its operation, plus one to get a token when none is valid. The package never
// repeats a request, never sleeps and never follows a redirect: a registration costs money, so whoever decides to send
// again must know what the first request brought. That is what [Answer] tells, whether the request succeeded or not.
//
// All requests use HTTP/1.1 on a connection of their own. HTTP/2 lets a client send a request again that the
// server says it did not process (RFC 9113, 8.7), and net/http does so by itself; HTTP/1.1 also makes it possible to
// say with certainty that no byte of a request left this machine ([Answer.Sent]). No Idempotency-Key is
// sent, since the upstream knows none and net/http would take it as leave to send a POST twice.
//
// Paths and field names that the public documentation does not give are assumptions. They are all in wire.go.
//
// The package must never let a client secret, a token, an e-mail address, a telephone number or a detail of a holder that it was
// told of into an error or an [Answer], in whatever form the upstream quotes them. What it says in another script than the Latin one, or in
// what looks like an encoding, is left out unread. And the package must never turn silence or a reply it cannot read into "available", "registered" or "failed".
package registrar
