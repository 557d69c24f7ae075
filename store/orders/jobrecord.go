package orders

import (
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/google/uuid"
)

// jobRecord is a NewJob on its way to the database, as one of a few in a JSON array.
type jobRecord struct {
	ID            uuid.UUID `json:"id"`
	OrderID       int64     `json:"order_id"`
	Seq           int       `json:"seq"`
	Domain        string    `json:"domain"`
	DomainUnicode *string   `json:"domain_unicode"`
	HolderID      *string   `json:"holder_id"`
	PeriodMonths  *int      `json:"period_months"`
	Nameservers   []string  `json:"nameservers"`
	AllowStatus   []string  `json:"allow_status"`
	Person        *string   `json:"person"` // as Postgres writes bytes
	Consent       *bool     `json:"privacy_consent"`
	Words         string    `json:"words,omitempty"` // why it is rejected; "" if it is not
}

// jobRecords are the records $1 in a FROM clause, as r.
const jobRecords = `
	jsonb_to_recordset($1) AS r (id uuid, order_id bigint, seq integer, domain text, domain_unicode text, holder_id text,
		period_months integer, nameservers text[], allow_status text[], person bytea, privacy_consent boolean, words text)`

// recordsOf makes records of an order's jobs whose places follow after.
func recordsOf(jobs []NewJob, order int64, after int) []jobRecord {
	records := make([]jobRecord, len(jobs))
	for i, j := range jobs {
		records[i] = jobRecord{
			ID: j.ID, OrderID: order, Seq: after + i + 1, Domain: j.Domain, DomainUnicode: record.OrNull(j.DomainUnicode), HolderID: record.OrNull(j.HolderID),
			PeriodMonths: record.OrNull(j.PeriodMonths), Nameservers: j.Nameservers, AllowStatus: j.AllowStatus,
			Person: hexOrNull(j.Person), Consent: j.PrivacyConsent, Words: record.Clip(j.Rejected),
		}
	}
	return records
}
