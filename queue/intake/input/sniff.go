package input

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// decoded gives the text of a file as UTF-8 without its byte order mark, and whether it had one. Spreadsheets save
// UTF-16 as "Unicode text".
func decoded(r io.Reader) (text io.Reader, hadBOM bool, err error) {
	buffered := bufio.NewReader(r)
	start, err := peek(buffered, 2) // not more at first: what somebody types may be no longer
	if err != nil {
		return nil, false, err
	}
	switch {
	case bytes.Equal(start, []byte{0xFF, 0xFE}), bytes.Equal(start, []byte{0xFE, 0xFF}):
		utf16 := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
		return transform.NewReader(buffered, utf16.NewDecoder()), true, nil
	case bytes.Equal(start, []byte{0x1F, 0x8B}):
		return nil, false, &FileError{Reason: "is compressed with gzip: unpack it first"}
	case bytes.Equal(start, []byte("PK")):
		start, err = peek(buffered, 4)
		if bytes.Equal(start, []byte("PK\x03\x04")) {
			return nil, false, &FileError{Reason: "is a spreadsheet or a zip archive: save it as CSV UTF-8"}
		}
	case bytes.Equal(start, []byte{0xEF, 0xBB}):
		start, err = peek(buffered, 3)
		if bytes.Equal(start, []byte{0xEF, 0xBB, 0xBF}) {
			_, err = buffered.Discard(3)
			return buffered, true, err
		}
	}
	return buffered, false, err
}

// peek gives the next n bytes, or fewer when the file has no more.
func peek(r *bufio.Reader, n int) ([]byte, error) {
	start, err := r.Peek(n)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read input: %w", err)
	}
	return start, nil
}

// sniffed is what the first line that counts tells of a file.
type sniffed struct {
	format Format
	crlf   bool
	empty  bool // there is no such line
}

// sniff looks at the first line that counts and leaves it to be read again.
func sniff(scanner *lineScanner, cols columns, opts Options) (sniffed, error) {
	line, err := scanner.nextContent()
	if errors.Is(err, io.EOF) {
		format := opts.Format
		if format == FormatAuto {
			format = FormatLines
		}
		return sniffed{format: format, empty: true}, nil
	}
	if err != nil {
		return sniffed{}, err
	}
	scanner.back()
	text := bytes.TrimSpace(line.text)
	found := sniffed{format: opts.Format, crlf: line.crlf}
	if found.format == FormatAuto {
		found.format = formatOf(text, cols)
	}
	// Only the very first line condemns a file. Further down, as after the first comment of a rejects file, such a line
	// is just a bad one.
	if reason := unreadable(text, found.format); reason != "" && line.number == 1 {
		return sniffed{}, &FileError{Line: line.number, Reason: reason}
	}
	return found, nil
}

func formatOf(text []byte, cols columns) Format {
	switch {
	case len(text) == 0: // the beginning of a line that is too long
		return FormatLines
	case text[0] == '{', beginsArray(text):
		return FormatNDJSON
	case beginsSep(text):
		return FormatCSV
	case bytes.ContainsAny(text, ",;\t"), cols.index(string(bytes.Trim(text, `"`))) == columnSubject:
		return FormatCSV
	}
	return FormatLines
}

// beginsSep reports whether a line may name what separates values. A tab at its end is gone by now.
func beginsSep(text []byte) bool {
	if _, named := namedComma(text); named {
		return true
	}
	return bytes.EqualFold(bytes.Trim(text, `"`), []byte("sep="))
}

// beginsArray tells a JSON array from an IPv6 address in brackets.
func beginsArray(text []byte) bool {
	if text[0] != '[' {
		return false
	}
	rest := bytes.TrimSpace(text[1:])
	return len(rest) == 0 || bytes.IndexByte([]byte(`{["]`), rest[0]) >= 0
}

// unreadable says why a file that begins with such a line would have no good one.
func unreadable(text []byte, format Format) string {
	if len(text) == 0 {
		return ""
	}
	last := text[len(text)-1]
	switch {
	case format == FormatNDJSON && text[0] == '[':
		return "is a JSON array: write one object a line instead, for example with jq -c '.[]' FILE"
	case format == FormatNDJSON && text[0] == '{' && bytes.IndexByte([]byte(`{[,`), last) >= 0:
		return "is JSON with objects of several lines: write one object a line, for example with jq -c . FILE"
	case bytes.IndexByte(text, 0) >= 0:
		return "has NUL bytes, as UTF-16 without a byte order mark has, or a file that is no text: save it as UTF-8"
	case bytes.IndexByte(text, '\r') >= 0:
		return "has CR within its lines, as files of old Macs have, or one that is no text: save it as text, with LF or CRLF"
	}
	return ""
}
