package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
)

// Two refusals of the same size in a row prove a limit. Many full batches later a larger one is tried, and after each time in
// vain that takes longer.
func TestBatchLimit(t *testing.T) {
	t.Parallel()
	l := newBatchLimit(100)
	if size, proven := l.refused(100, 50); proven || size != 100 {
		t.Errorf("after one refusal: %d, %t", size, proven)
	}
	if _, changed := l.took(100); changed {
		t.Error("a full batch of the largest size changes nothing")
	}
	l.refused(100, 25)
	if size, proven := l.refused(100, 25); !proven || size != 25 {
		t.Errorf("after two refusals: %d, %t", size, proven)
	}
	grown := func() (after, size int) {
		for after = 1; ; after++ {
			size, changed := l.took(size25)
			if changed {
				return after, size
			}
			if after > growAtLast {
				t.Fatal("it never grows again")
			}
		}
	}
	if after, size := grown(); after != growAfter || size != 50 {
		t.Errorf("it grew to %d after %d batches, want 50 after %d", size, after, growAfter)
	}
	l.refused(50, 25)
	if size, proven := l.refused(50, 25); !proven || size != 25 {
		t.Errorf("after growing in vain: %d, %t", size, proven)
	}
	if after, _ := grown(); after != 2*growAfter {
		t.Errorf("it grew again after %d batches, want %d", after, 2*growAfter)
	}
}

const size25 = 25

// refused makes n jobs that were refused in the same words.
func refusedAlike(n, orders, holders int) ([]ledger.ClaimedJob, []fate) {
	jobs, fates := make([]ledger.ClaimedJob, n), make([]fate, n)
	for i := range jobs {
		jobs[i] = ledger.ClaimedJob{ID: uuid.New(), OrderID: int64(i % orders), HolderID: fmt.Sprint("H-", i%holders)}
		fates[i] = fate{course: courseReject, status: 422, words: "no"}
	}
	return jobs, fates
}

// Refusals in the same words are the account's fault only when there are many, of several orders, with none that went well in
// between. It does not matter in how many calls they came.
func TestAccountsFault(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		op              record.Op
		n               int
		orders, holders int
		each            int // jobs a call
		well            bool
		want            bool
	}{
		{"ten of two customers", record.OpRegister, 10, 2, 2, 10, true, true},
		{"nine of two customers", record.OpRegister, 9, 2, 2, 9, true, false},
		{"one customer's holder", record.OpRegister, 50, 2, 1, 50, true, false},
		{"one order", record.OpRegister, 50, 1, 5, 50, false, false},
		{"ten of two customers, one by one", record.OpRegister, 10, 2, 2, 1, true, true},
		{"checks that never went well", record.OpWhois, 10, 1, 1, 10, false, true},
		{"checks of one order", record.OpWhois, 50, 1, 1, 50, true, false},
		{"checks of two orders", record.OpWhois, 10, 2, 1, 10, true, true},
		{"checks before registrations that never went well", record.OpCheck, 10, 1, 1, 1, false, true},
	} {
		r := newRefusalRow()
		if c.well {
			r.wentWell(c.op)
		}
		jobs, fates := refusedAlike(c.n, c.orders, c.holders)
		got := false
		for i := 0; i < c.n; i += c.each {
			got = r.accountsFault(c.op, jobs[i:i+c.each], fates[i:i+c.each])
		}
		if got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

func TestGoodAnswersBreakARowOfRefusals(t *testing.T) {
	t.Parallel()
	r := newRefusalRow()
	jobs, fates := refusedAlike(18, 2, 2)
	r.accountsFault(record.OpRegister, jobs[:9], fates[:9])
	r.wentWell(record.OpRegister)
	if r.accountsFault(record.OpRegister, jobs[9:], fates[9:]) {
		t.Error("nine and nine are eighteen, although a job went well in between")
	}
	if jobs, fates = refusedAlike(10, 2, 2); !r.accountsFault(record.OpRegister, jobs, fates) {
		t.Error("ten in one call are enough")
	}
	fates[3].words = "something else"
	if r.accountsFault(record.OpRegister, jobs, fates) {
		t.Error("other words are another reason")
	}
	// The same job, however often, is one.
	one := newRefusalRow()
	for range 20 {
		if one.accountsFault(record.OpRegister, jobs[:1], fates[:1]) {
			t.Fatal("one job's refusals count as many")
		}
	}
}

// Only a row of failures means that the upstream is away, and paid calls have a row of their own.
func TestFailureRow(t *testing.T) {
	t.Parallel()
	var f failureRow
	for i := range outageAfter {
		if away := f.note(false, true); away != (i == outageAfter-1) {
			t.Errorf("failure %d: away %t", i+1, away)
		}
		f.note(true, true)
		f.note(true, false)
	}
	if f.note(false, false) || f.note(false, true) {
		t.Error("an answer does not end the row")
	}
	if f.note(true, true) {
		t.Error("answers of paid calls do not count")
	}
}

// The pause after a 429 is what was asked for, or grows with each in a row.
func TestPauseRow(t *testing.T) {
	t.Parallel()
	p := &pauseRow{backoff: backoff{base: time.Second, ceiling: time.Minute}}
	for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		if got := p.next(0); got != want {
			t.Errorf("pause %d is %v, want %v", i+1, got, want)
		}
	}
	if got := p.next(time.Hour); got != time.Hour {
		t.Errorf("the upstream's own wish counts as %v", got)
	}
	p.end()
	if got := p.next(0); got != time.Second {
		t.Errorf("after an answer the pause is %v", got)
	}
}
