package pg

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// Uuids is how many ids at once travel to the database. The driver knows this type; it would turn each uuid.UUID
// into text and back.
type Uuids = pgtype.FlatArray[pgtype.UUID]

// ToUUIDs makes the ids of some items travel at once.
func ToUUIDs[T any](items []T, id func(T) uuid.UUID) Uuids {
	out := make(Uuids, len(items))
	for i, item := range items {
		out[i] = ToUUID(id(item))
	}
	return out
}

// ToUUID makes an id what the driver knows.
func ToUUID(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: true} }

// AsIs is for ids that are nothing but ids.
func AsIs(id uuid.UUID) uuid.UUID { return id }

// BytesOf is where the driver writes an id that it reads.
func BytesOf(id *uuid.UUID) *[16]byte { return (*[16]byte)(id) }
