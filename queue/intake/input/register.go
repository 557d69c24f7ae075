package input

import "github.com/bulkreg/bulkreg/queue/intake/holder"

// Positions of the cells of a registration, behind its domain.
const (
	columnHolderID = 1 + iota
	columnPeriod
	columnNameservers
	columnAllowStatus
	columnDetails // the first of the holder's details, in the order of holder.Fields
)

func registerLayout() layout {
	all := columns{
		columnSubject:     domainColumn(),
		columnHolderID:    {name: "holder_id", aliases: []string{"holder", "holderid", "domainholder_id", "domainholder"}, role: roleHolder},
		columnPeriod:      {name: "period", aliases: []string{"period_months"}},
		columnNameservers: {name: "nameservers", aliases: []string{"name_servers"}},
		columnAllowStatus: {name: "allow_status", aliases: []string{"allowed_status"}},
	}
	for _, field := range holder.Fields() {
		all = append(all, column{name: field, aliases: detailAliases(field), role: roleDetail})
	}
	return layout{
		columns: all, strict: true, bare: true, holders: true, many: "domains", example: domainExample,
		record: registrationOf, differs: details.differs,
	}
}

// registrationOf makes a record of a line of a registration order.
func registrationOf(found row, opts Options) (Record, *fault) {
	record, all := domainRecord(found, opts)
	var bad *fault
	record.HolderID, record.Holder, bad = holderOf(found.cells, opts)
	all.add(bad)
	record.PeriodMonths, bad = periodOf(found.cells[columnPeriod], opts)
	all.add(bad)
	record.Nameservers, bad = nameserversOf(found.cells[columnNameservers], opts.DefaultNameservers)
	all.add(bad)
	record.AllowStatus, bad = allowStatusOf(found.cells[columnAllowStatus], opts.DefaultAllowStatus)
	all.add(bad)
	return record, all.one()
}
