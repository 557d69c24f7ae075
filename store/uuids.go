package store

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// uuids is how many ids at once travel to the database. The driver knows this type; it would turn each uuid.UUID
// into text and back.
type uuids = pgtype.FlatArray[pgtype.UUID]

func toUUIDs[T any](items []T, id func(T) uuid.UUID) uuids {
	out := make(uuids, len(items))
	for i, item := range items {
		out[i] = toUUID(id(item))
	}
	return out
}

func toUUID(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: true} }

// asIs is for ids that are nothing but ids.
func asIs(id uuid.UUID) uuid.UUID { return id }

// bytesOf is where the driver writes an id that it reads.
func bytesOf(id *uuid.UUID) *[16]byte { return (*[16]byte)(id) }
