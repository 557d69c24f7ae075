package sandbox_test

import (
	"slices"
	"sync/atomic"
	"testing"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

func TestGates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		point sandbox.Point
		paid  int
	}{{sandbox.BeforeEffect, 0}, {sandbox.BeforeReply, 1}} {
		t.Run(string(c.point), func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{})
			gate := b.Hold(sandbox.OpRegister, c.point)
			answered := make(chan reply, 1)
			go func() { answered <- b.register("a.nl") }()
			held := <-gate.Held()
			if held.Op != sandbox.OpRegister || !slices.Equal(held.Domains, []string{"a.nl"}) {
				t.Errorf("held %+v", held)
			}
			l := b.Ledger()
			if l.Paid("a.nl") != c.paid || len(l.Sends("a.nl")) != 1 {
				t.Errorf("paid %d, sends %d", l.Paid("a.nl"), len(l.Sends("a.nl")))
			}
			if r := b.whois("b.nl"); r.status != 200 {
				t.Errorf("the gate held another operation")
			}
			gate.Release()
			gate.Release()
			if r := <-answered; r.status != 200 {
				t.Errorf("%d", r.status)
			}
			b.wantPaid("a.nl", 1)
		})
	}
}

func TestGateLetsGoOneByOne(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	gate := b.Hold(sandbox.OpAny, sandbox.BeforeEffect)
	answered := make(chan reply)
	for range 2 {
		go func() { answered <- b.whois("a.nl") }()
	}
	first, second := <-gate.Held(), <-gate.Held()
	if first.Seq == second.Seq {
		t.Error("one request came twice")
	}
	gate.Next()
	<-answered
	select {
	case <-answered:
		t.Error("both went")
	default:
	}
	gate.Next()
	<-answered
	gate.Release()
	gate.Next() // of a gate that is gone: returns at once
}

func TestCloseLetsGo(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	gate := b.Hold(sandbox.OpWhois, sandbox.BeforeEffect)
	ended := make(chan error, 1)
	go func() {
		_, err := b.do("POST", "/whois", map[string]any{"domains": []string{"a.nl"}})
		ended <- err
	}()
	<-gate.Held()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestOnRequestSeesARecordedRequest(t *testing.T) {
	t.Parallel()
	var sb atomic.Pointer[sandbox.Sandbox]
	var sends atomic.Int32
	b := setup(t, sandbox.Options{OnRequest: func(r sandbox.Request) {
		if r.Op == sandbox.OpRegister {
			sends.Store(int32(len(sb.Load().Ledger().Sends(r.Domains[0]))))
		}
	}})
	sb.Store(b.Sandbox)
	b.register("a.nl")
	if sends.Load() != 1 {
		t.Errorf("the hook saw %d sends", sends.Load())
	}
}
