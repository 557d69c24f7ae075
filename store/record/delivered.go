package record

import (
	"github.com/google/uuid"
)

// Delivery is a chunk of one order's jobs, ready to travel.
type Delivery struct {
	OrderID   int64
	Source    string
	Reference string
	Turn      int16  // its source's
	Trace     string // its order's
	Jobs      []DeliveredJob
}

// DeliveredJob is a job in a delivery. Only a claim that names its newest epoch gets it.
type DeliveredJob struct {
	ID     uuid.UUID
	Domain string
	Epoch  int
	// Of is what a delivery that came from outside says the job is of. A job of anything else is left as it is. Zero: the job
	// comes from this database itself.
	Of Origin
}

// JobsOfChunk reads those jobs of chunk t that wait for it. Its ORDER BY keeps the planner from joining orders to
// jobs first, which would read whole orders.
const JobsOfChunk = `
	SELECT id, domain, epoch, seq FROM jobs
	WHERE order_id = t.order_id AND seq BETWEEN t.first_seq AND t.last_seq AND state = 'queued' AND wake_at IS NULL
	ORDER BY seq`
