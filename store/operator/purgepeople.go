package operator

// forgetPeople are the statements that remove whom the tokens of the orders in spoken were for. A job's id is made of its order and
// its person's address, and so is the subject: whoever has the database could try addresses on both. They are replaced, the id
// wherever it stands. What is carried out once more would not be recognized then, so that a purged order takes no more jobs. What a
// producer gave in the place of a domain goes the same way, of whatever order: it may be a telephone number, and its job's id is made of it.
func forgetPeople() []string {
	const theirs = `c.kind = 'token' AND c.order_ids && ARRAY(SELECT id FROM spoken)`
	return []string{
		`DELETE FROM tokens t USING spoken s WHERE t.order_id = s.id`,
		`CREATE TEMPORARY TABLE renamed (old uuid PRIMARY KEY, new uuid NOT NULL, order_id bigint NOT NULL) ON COMMIT DROP`,
		`INSERT INTO renamed SELECT j.id, gen_random_uuid(), j.order_id FROM spoken s JOIN jobs j ON j.order_id = s.id
			WHERE j.kind = 'token' AND j.finished_at IS NOT NULL`,
		`INSERT INTO renamed SELECT j.id, gen_random_uuid(), j.order_id FROM jobs j, purge_before b WHERE ` + noDomain,
		`ANALYZE renamed`,
		// In one statement: what refers to a job is looked at when it ends.
		`WITH acts AS (
			UPDATE operator_acts a SET job_id = r.new FROM renamed r WHERE a.job_id = r.old
		)
		UPDATE jobs j SET id = r.new, person = NULL, outcome = CASE j.outcome WHEN 'issued' THEN 'expired' ELSE j.outcome END,
				domain = CASE j.kind WHEN 'token' THEN ` + unguessableSubject + ` ELSE '""' END, domain_unicode = NULL,
				last_error = CASE j.kind WHEN 'token' THEN j.last_error END
			FROM renamed r WHERE j.id = r.old`,
		// The log keeps what happened, and under no id that leads to a person.
		`UPDATE events e SET job_id = r.new FROM renamed r WHERE e.order_id = r.order_id AND e.job_id = r.old`,
		`UPDATE new_events e SET job_id = r.new FROM renamed r WHERE e.job_id = r.old`,
		`UPDATE calls k SET job_ids = ` + renamedOf("k.job_ids") + ` FROM claims c WHERE c.id = k.claim_id AND k.job_ids IS NOT NULL AND ` + theirs,
		`UPDATE claims c SET job_ids = ` + renamedOf("c.job_ids") + ` WHERE ` + theirs,
	}
}

// noDomain says of job j that it ended before a purge's time because it names no domain. What it had instead stands in quotes, if it
// may be shown at all, and in the words that refuse it. Nobody ever sent it. Also where nothing of it is shown, the id is made of it,
// unless it is a purge's already (those are of version 4).
const noDomain = `j.kind <> 'token' AND j.domain LIKE '"%' AND (j.domain <> '""' OR get_byte(uuid_send(j.id), 6) >> 4 = 5) AND j.finished_at <= b.at`

// renamedOf is a list of ids with the new ones in their places.
func renamedOf(ids string) string {
	return `ARRAY(SELECT coalesce(r.new, m.id) FROM unnest(` + ids + `) WITH ORDINALITY AS m (id, place) LEFT JOIN renamed r ON r.old = m.id ORDER BY m.place)`
}

// unguessableSubject stands where a person's subject was.
const unguessableSubject = `'person-' || left(translate(replace(gen_random_uuid()::text, '-', ''), '0189', 'ghij'), 16)`
