package input

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"
)

// numbered is a file of n lines that is made while it is read, so that only the Reader's own memory counts.
type numbered struct {
	header, line string // line has one %d for its number
	n, written   int
	rest         []byte
}

func (f *numbered) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		if f.written == 0 {
			f.rest = append(f.rest[:0], f.header...)
		}
		for len(f.rest) < 32<<10 && f.written < f.n {
			f.rest = fmt.Appendf(f.rest, f.line, f.written)
			f.written++
		}
	}
	if len(f.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

var largeFiles = map[string]numbered{
	"lines":  {line: "hosting-klant-%d.nl\n"},
	"csv":    {header: "domain,holder_id,period,nameservers\n", line: "klant-%d.nl,H1,12,ns1.example.nl|ns2.example.nl\n"},
	"holder": {header: janHeader + "\n", line: "klant-%d.nl," + janCells + "\n"},
	"quoted": {header: "\"domain\",\"holder_id\"\n", line: "\"klant-%d.nl\",\"H1\"\n"},
	"ndjson": {line: "{\"domain\":\"klant-%d.nl\",\"holder_id\":\"H1\"}\n"},
}

func countRecords(tb testing.TB, file numbered) *Reader {
	tb.Helper()
	reader, err := NewReader(&file, Options{Kind: "register", DefaultHolderID: "H0"})
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := reader.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			tb.Fatal(err)
		}
	}
	if got := reader.Stats().Records; got != file.n {
		tb.Fatalf("%d records, want %d", got, file.n)
	}
	return reader
}

// BenchmarkReader reads a million lines and shows the memory that the Reader holds at their end.
func BenchmarkReader(b *testing.B) {
	for name, file := range largeFiles {
		file.n = 1_000_000
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var held uint64
			for b.Loop() {
				before := heap()
				reader := countRecords(b, file)
				held = heap() - before
				runtime.KeepAlive(reader)
			}
			b.ReportMetric(float64(b.N*file.n)/b.Elapsed().Seconds(), "lines/s")
			b.ReportMetric(float64(held)/(1<<20), "held-MiB")
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
