// Package torture proves the promise: every accepted job ends, and no domain is paid for twice, whatever dies.
//
// It runs the real binary as separate processes against a real Postgres, a real Redis and a sandbox process that keeps
// its ledger on disk. It kills, stops and cuts off what it can, and judges by two books alone: the sandbox's ledger
// and our database. A fault that was not seen to happen fails its scenario, and no scenario may look inside a worker.
//
// `go test` plays a quick selection of scenarios. With TORTURE_MINUTES set, TestTorture plays all of them and then random
// sequences of faults for that long. TORTURE_SEED repeats the same sequences; what the operating system makes of them
// differs each time. One scenario is played by its name: TORTURE_MINUTES=0 go test -run TestTorture/scenarios/NAME.
package torture
