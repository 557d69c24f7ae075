package orders

import "encoding/hex"

// personColumns are those that token jobs have after copyColumns.
func personColumns() moreColumns {
	return moreColumns{[]string{"person", "privacy_consent"}, func(j NewJob) []any { return []any{j.Person, j.PrivacyConsent} }}
}

// nobody stands for the columns of a person in jobs that have none.
const nobody = `NULL::bytea AS person, NULL::boolean AS privacy_consent`

// hexOrNull is bytes in Postgres' own form.
func hexOrNull(b []byte) *string {
	if b == nil {
		return nil
	}
	text := `\x` + hex.EncodeToString(b)
	return &text
}
