// Package gettoken is the client of PMG's GetToken: a token for the account of one person, by e-mail address.
//
// One method call is one request. The package never repeats a request, never sleeps and never follows a redirect, as package
// registrar does not, and it shares that package's way to send and to clean words. A reply is a success only where the HTTP
// status, the status in the body and a token in it all say so.
//
// Field names and what the documents say of them are in wire.go alone.
//
// The package must never let the access token, an issued token, a URL that holds one, or a detail of the person into an error
// or an [Answer], in whatever form the upstream quotes them.
package gettoken
