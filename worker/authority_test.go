package worker

import (
	"slices"
	"testing"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/worker/registrar"
)

// invalidated is an upstream that notes which tokens it is told to drop.
type invalidated struct {
	Upstream
	generations []uint64
}

func (i *invalidated) Invalidate(generation uint64) {
	i.generations = append(i.generations, generation)
}

// One refused item among others must have its consequences wherever it stands, and must not go round for ever.
func TestHeedToken(t *testing.T) {
	t.Parallel()
	type answer struct {
		generation uint64
		fates      []course
		become     []course
	}
	const done, reauth, retry, hold, reject, unknown = courseDone, courseReauth, courseRetry, courseHold, courseReject, courseUnknown
	for name, c := range map[string]struct {
		answers     []answer
		invalidated []uint64
	}{
		"good": {[]answer{{1, []course{done, reject}, []course{done, reject}}}, nil},
		"old token": {[]answer{
			{1, []course{reauth, reauth}, []course{reauth, reauth}},
			{2, []course{done, done}, []course{done, done}},
			{2, []course{reauth, reauth}, []course{reauth, reauth}},
		}, []uint64{1, 2}},
		"old token, in two calls": {[]answer{
			{1, []course{reauth}, []course{reauth}},
			{1, []course{reauth}, []course{reauth}},
		}, []uint64{1, 1}},
		"fresh token too": {[]answer{
			{1, []course{reauth, reauth}, []course{reauth, reauth}},
			{2, []course{reauth, reauth}, []course{hold, hold}},
		}, []uint64{1, 2}},
		"not the first item": {[]answer{
			{1, []course{reject, reauth}, []course{reject, reauth}},
			{2, []course{unknown, reauth}, []course{unknown, hold}},
		}, []uint64{1, 2}},
		"others were registered": {[]answer{
			{1, []course{done, reauth}, []course{done, retry}},
			{2, []course{done, reauth}, []course{done, retry}},
			{3, []course{reauth}, []course{hold}},
		}, []uint64{1, 2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstream := &invalidated{}
			p := &pipeline{upstream: upstream, standing: &standing{authority: newAuthority()}}
			for i, a := range c.answers {
				fates := make([]fate, len(a.fates))
				for k, f := range a.fates {
					fates[k].course = f
				}
				p.heedToken(record.OpRegister, fates, registrar.Answer{Complete: true, TokenGeneration: a.generation})
				for k, f := range fates {
					if f.course != a.become[k] || (f.hold == holds.Auth) != (f.course == courseHold) {
						t.Errorf("answer %d, item %d: %s (hold %q), want %s", i+1, k+1, f.course, f.hold, a.become[k])
					}
				}
			}
			if !slices.Equal(upstream.generations, c.invalidated) {
				t.Errorf("dropped tokens %v, want %v", upstream.generations, c.invalidated)
			}
		})
	}
}
