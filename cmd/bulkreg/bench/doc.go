// Package bench measures how fast this program is on this machine: it starts a Postgres, a Redis, and from this program a sandbox and
// a worker, and has orders carried out. Each row has a database, a sandbox and a worker of its own.
//
// It must never use the servers or upstreams that the environment names, leave anything behind, or count what was not carried out:
// a job that did not succeed fails its row.
package bench
