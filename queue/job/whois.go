package job

func whoisForm() form { return form{check: checkWhois, subject: domainOf} }

// checkWhois wants a domain. What belongs to registrations is passed over in a check, which costs nothing.
func checkWhois(r Rules, f Fields) (Job, error) {
	name, err := r.Domain(f.Domain)
	return Job{Domain: name}, err
}
