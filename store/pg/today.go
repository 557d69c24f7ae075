package pg

// Today is the day in UTC, by the database's clock.
const Today = `(now() AT TIME ZONE 'UTC')::date`
