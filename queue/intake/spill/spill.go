// Package spill keeps text that may be long: little of it in memory, much in a temporary file. It may hold people, so that the file
// has no name of its own, is nobody else's to read, and is gone with the process, even with one that is killed.
//
// It must never leave a file behind, and never keep more in memory than it says.
package spill

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// inMemory is up to how many bytes are kept in memory: those of an order of a few hundred jobs.
const inMemory = 64 << 10

// Buffer is written first, and can then be read any number of times, by one goroutine at once. The zero value is ready.
type Buffer struct {
	memory bytes.Buffer
	file   *os.File
	out    *bufio.Writer // to the file
	named  bool          // the file still has its name, and is removed at the end
}

// Write implements io.Writer.
func (b *Buffer) Write(text []byte) (int, error) {
	if b.file == nil && b.memory.Len()+len(text) <= inMemory {
		return b.memory.Write(text) //nolint:wrapcheck // it never fails
	}
	if b.file == nil {
		if err := b.open(); err != nil {
			return 0, err
		}
	}
	n, err := b.out.Write(text)
	if err != nil {
		return n, fmt.Errorf("write temporary file: %w", err)
	}
	return n, nil
}

// open moves what is in memory to a file.
func (b *Buffer) open() error {
	file, err := os.CreateTemp("", "bulkreg-order-*.ndjson")
	if err != nil {
		return fmt.Errorf("create temporary file: %w", err)
	}
	// Windows removes no open file.
	b.named = os.Remove(file.Name()) != nil
	b.file, b.out = file, bufio.NewWriterSize(file, 1<<16)
	if _, err := b.memory.WriteTo(b.out); err != nil {
		return fmt.Errorf("write temporary file: %w", err)
	}
	b.memory = bytes.Buffer{}
	return nil
}

// Reader reads all that was written, from the beginning.
func (b *Buffer) Reader() (io.Reader, error) {
	if b.file == nil {
		return bytes.NewReader(b.memory.Bytes()), nil
	}
	if err := b.out.Flush(); err != nil {
		return nil, fmt.Errorf("write temporary file: %w", err)
	}
	if _, err := b.file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read temporary file: %w", err)
	}
	return bufio.NewReaderSize(b.file, 1<<16), nil
}

// Close lets go of the text.
func (b *Buffer) Close() error {
	b.memory = bytes.Buffer{}
	if b.file == nil {
		return nil
	}
	err := b.file.Close()
	if b.named {
		err = errors.Join(err, os.Remove(b.file.Name()))
	}
	b.file = nil
	if err != nil {
		return fmt.Errorf("remove temporary file: %w", err)
	}
	return nil
}
