package input

const domainExample = `{"domain":"example.nl"}`

func domainColumn() column {
	return column{name: "domain", aliases: []string{"domain_name", "domainname"}}
}

func whoisLayout() layout {
	return layout{
		columns: columns{domainColumn()}, bare: true, many: "domains", example: domainExample,
		record: checkOf, differs: details.differs,
	}
}

// checkOf makes a record of a line of a WHOIS order.
func checkOf(found row, opts Options) (Record, *fault) {
	record, all := domainRecord(found, opts)
	return record, all.one()
}

// domainRecord begins the record of a domain.
func domainRecord(found row, opts Options) (Record, faults) {
	var all faults
	for _, broken := range found.broken {
		all.add(broken)
	}
	name, bad := domainOf(found.cells[columnSubject], opts.Suffixes)
	all.add(bad)
	return Record{Line: found.line, Domain: name}, all
}
