package pg

import "time"

// PoolStats is how a pool of connections fares. Counts and times are those since it was opened.
type PoolStats struct {
	Most, Idle, Used, Opening int // connections now
	Acquired                  int64
	Waited                    int64 // of these, those for which no connection was idle
	WaitTime                  time.Duration
	Canceled                  int64 // of those who gave up waiting
}

// Stats reads how the pool fares. It asks nobody.
func (s *DB) Stats() PoolStats {
	now := s.Pool.Stat()
	return PoolStats{
		Most: int(now.MaxConns()), Idle: int(now.IdleConns()), Used: int(now.AcquiredConns()), Opening: int(now.ConstructingConns()),
		Acquired: now.AcquireCount(), Waited: now.EmptyAcquireCount(), WaitTime: now.EmptyAcquireWaitTime(), Canceled: now.CanceledAcquireCount(),
	}
}
