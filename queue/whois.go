package queue

// Whois asks whether a domain is available.
const Whois Kind = "whois"

// TypeWhois is the task type of checks.
const TypeWhois = "whois:check"

func whoisForm() form { return form{taskType: TypeWhois, about: aboutDomains} }
