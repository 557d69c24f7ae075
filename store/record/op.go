package record

// Op is what a call asks the upstream.
type Op string

// The operations. OpCheck is the fresh WHOIS check before a registration, OpRegister is the one that costs money, OpHolder
// finds or creates a holder.
const (
	OpWhois    Op = "whois"
	OpCheck    Op = "check"
	OpRegister Op = "register"
	OpToken    Op = "token"
	OpHolder   Op = "holder"
)
