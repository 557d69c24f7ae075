package domainname

// ParseHostUnder reads a host name, such as that of an e-mail address: a domain that can be registered, or any host below
// one. Every error is an *Error.
func (s Suffixes) ParseHostUnder(raw string) (Name, error) {
	name, e := normalise(raw)
	if e == nil {
		e = s.checkUnder(name.ASCII)
	}
	if e != nil {
		e.Raw = safeRaw(raw)
		return Name{}, e
	}
	return name, nil
}

// checkUnder wants at least one label under a known suffix.
func (s Suffixes) checkUnder(ascii string) *Error {
	suffix, _, known := icannSuffix(ascii)
	if extra, found := s.of(ascii); found && len(extra) >= len(suffix) {
		suffix, known = extra, true
	}
	return checkSuffix(ascii, suffix, known)
}
