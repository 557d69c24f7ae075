// Package registrar is the client of the registrar's Domain API: WHOIS checks, registrations and domain holders.
//
// One method is one request to its operation, plus one to get a token when none is valid. The package never
// repeats a request, never sleeps and never follows a redirect: a registration costs money, so whoever decides to send
// again must know what the first request brought. That is what [Answer] tells, whether the request succeeded or not.
//
// How a request is sent, and what makes it certain that no byte of one left this machine, is in package upstream.
//
// Paths and field names that the public documentation does not give are assumptions. They are all in wire.go.
//
// The package must never let a client secret, a token, an e-mail address, a telephone number or a detail of a holder that it was
// told of into an error, an [Answer] or the name of a field in a [Difference], in whatever form the upstream quotes them. What it says in another script than the Latin one, or in
// what looks like an encoding, is left out unread. And the package must never turn silence or a reply it cannot read into "available",
// "registered" or "failed".
//
// What it cannot hide: the first letters of a name where they are fewer than five, and what
// is left of one of fewer than seven letters with something grown to it; a name with a wrong letter, with letters left out
// or doubled, or written by its sound in a way that is no usual one; a cipher but ROT13, and letters as the keys of a telephone; a
// part of a detail with words of others, or more than twelve signs, between it and the rest; what is escaped more than five times, and
// an encoding that is broken up by white space; digits of a postal code alone; and a name that is an ordinary word, in small letters.
package registrar
