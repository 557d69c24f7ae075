package input

import (
	"fmt"
	"slices"

	"github.com/bulkreg/bulkreg/queue/intake/holder"
	"github.com/bulkreg/bulkreg/queue/job"
)

// detailAliases are other names of the columns with a holder's details. A name that may mean two things is none: an
// address may hold the house number or not.
func detailAliases(field string) []string {
	switch field {
	case "company":
		return []string{"company_name", "organisation", "organization"}
	case "firstname":
		return []string{"first_name", "given_name"}
	case "lastname":
		return []string{"last_name", "surname", "family_name"}
	case "email":
		return []string{"e_mail", "mail", "email_address"}
	case "phone":
		return []string{"phone_number", "telephone", "telephone_number", "tel"}
	case "street":
		return []string{"street_name"}
	case "housenumber":
		return []string{"house_number", "house_no", "street_number"}
	case "postalcode":
		return []string{"postal_code", "postcode", "zip", "zipcode", "zip_code"}
	case "city":
		return []string{"town"}
	case "country":
		return []string{"country_code"}
	}
	return nil
}

// indexInHolder is index for the fields of an object that is the holder.
func (c columns) indexInHolder(name string) int {
	if normaliseHeader(name) == "id" {
		return columnHolderID
	}
	if at := c.index(name); at >= 0 && c[at].role == roleDetail {
		return at
	}
	return -1
}

// holderOf gives the id of the line's holder, or the holder's details; never both, and never neither. No error repeats
// a detail.
func holderOf(cells []cell, opts Options) (string, *holder.Details, *fault) {
	given := slices.IndexFunc(cells[columnDetails:], func(c cell) bool { return c.text != "" || c.list != nil })
	id := cells[columnHolderID]
	if given < 0 {
		named, bad := holderIDOf(id, opts.DefaultHolderID, opts.Remedies)
		return named, nil, bad
	}
	fields := holder.Fields()
	var lists faults
	if id.text != "" || id.list != nil {
		return "", nil, &fault{field: "holder_id", reason: fmt.Sprintf(
			"is given, and so is the holder's %s: give the id, or the details, and leave the other empty", fields[given])}
	}
	var details holder.Details
	for i, value := range details.Values() {
		c := cells[columnDetails+i]
		if c.list != nil {
			lists.add(&fault{field: fields[i], reason: "is a list: a holder has one"})
		}
		*value = c.text
	}
	if bad := lists.one(); bad != nil {
		return "", nil, bad
	}
	checked, err := job.HolderDetails(details)
	if err != nil {
		return "", nil, faultOf(err)
	}
	return "", &checked, nil
}
