// Package sandbox is both upstream APIs in memory: the registrar's Domain API and PMG's GetToken, spoken over
// HTTP as the contract describes them. It serves the demo, the sandbox command and the tests, and its [Ledger]
// is the judge of what was received and what was paid.
//
// A sandbox behaves well until it is told otherwise. [Sandbox.Inject] makes requests fail in a chosen way,
// [Sandbox.Hold] keeps them in flight until a test lets go, and labels script single domains: the first label
// of a domain decides, up to its first hyphen, so taken-1.example.nl is taken. [Labels] lists them.
//
//	taken-*        WHOIS: taken. Register: the item fails with 422.
//	refused-*      WHOIS: available. Register: the item fails alone with 422.
//	poison-*       WHOIS: available. Register: the whole call fails with 422, nothing is paid.
//	badreq-*       WHOIS: available. Register: the whole call fails with 400, nothing is paid.
//	whoispoison-*  WHOIS: the whole call fails with 422.
//	unknown-*      WHOIS: the item carries an error instead of an answer.
//	lag-*          WHOIS: still available for Options.LagTime after a registration.
//	flaky-*        Register: the item fails alone with 500 the first time, then succeeds.
//	premium-*      WHOIS: available, and premium for 1200.00 EUR.
//	reserved-*     WHOIS: available, and reserved.
//	quarantine-*   WHOIS: available, and in quarantine.
//	priced-*       WHOIS: available, for 49.00 EUR.
//	pending-*      Register: the item is pending, and registered after Options.LagTime.
//	pendingonly-*  Register: the item is pending, and nothing comes of it.
//	quoting-*      Register: the item fails alone with 422, and quotes its holder in one of [Spellings]: quoting-7 in the
//	               one of that number.
//
// Any other domain is available until it is registered. In GetToken labels work on the part of the e-mail address before the
// at sign, such as refused-1@example.nl: refused fails as a registration, flaky the first time, and bademail, badextension,
// badlanguage and badportal as their names say.
//
// The sandbox must never be kinder than the upstream may be: a second send of a registered domain is always
// recorded, and Options.ChargeTwice lets it be paid a second time. It must never serve real credentials or
// people: its control endpoints under /sandbox/ ask for no password, and its ledger file holds what it was sent.
package sandbox
