package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/bulkreg/bulkreg/queue/intake/spill"
)

// readJSON reads an order that is one JSON object. Its jobs, wherever they stand in it, are kept as lines.
func (f *orderFields) readJSON(body io.Reader) (_ *jobLines, err error) {
	f.isJSON = true
	bound := &valueBound{from: body}
	decoder := json.NewDecoder(bound)
	bound.decoder = decoder
	decoder.UseNumber()
	lines := &jobLines{}
	defer func() {
		if err != nil {
			err = errors.Join(err, lines.text.Close())
		}
	}()
	if token, err := decoder.Token(); err != nil {
		return nil, jsonProblem(err)
	} else if token != json.Delim('{') {
		return nil, kindBadRequest.problem("The body is no JSON object: send {\"reference\": …, \"kind\": …, \"jobs\": […]}.")
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, jsonProblem(err)
		}
		if err := f.member(decoder, fmt.Sprint(name), lines); err != nil {
			return nil, err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return nil, jsonProblem(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		if err == nil {
			return nil, kindBadRequest.problem("The body has something behind its JSON object.")
		}
		return nil, jsonProblem(err)
	}
	if !f.given["jobs"] {
		f.wrong("body.jobs", "is missing")
	}
	if f.faults != nil {
		return nil, f.faults
	}
	return lines, nil
}

// valueBound reads a body whose values are not too long: a decoder keeps each of them in memory, a job or a member.
type valueBound struct {
	from    io.Reader
	decoder *json.Decoder
	read    int64
}

// maxValue bounds a job, or what is said of an order, in bytes. Details of a holder are some hundred.
const maxValue = 1 << 20

// Read implements io.Reader.
func (b *valueBound) Read(buffer []byte) (int, error) {
	if begun := b.decoder.InputOffset(); b.read-begun > maxValue {
		return 0, &bodyError{kindTooLarge.problem("A value of the body, at byte %d, is longer than %d bytes. Nothing was stored.", begun, maxValue)}
	}
	n, err := b.from.Read(buffer)
	b.read += int64(n)
	return n, err //nolint:wrapcheck // io.EOF has to be itself
}

func (f *orderFields) member(decoder *json.Decoder, name string, lines *jobLines) error {
	location := "body." + shown(name)
	if name == "jobs" {
		if f.given[name] {
			return kindBadRequest.problem("The body has jobs twice.")
		}
		f.given[name] = true
		return readJobs(decoder, lines)
	}
	var value any
	if err := decoder.Decode(&value); err != nil {
		return jsonProblem(err)
	}
	if name == "labels" {
		f.setLabels(location, value)
		return nil
	}
	if value == nil { // as though it were not there
		return nil
	}
	texts, ok := textsOf(value)
	if !ok {
		f.wrong(location, "is neither a text, a number, true or false, nor a list of texts")
		return nil
	}
	f.set(location, name, texts)
	return nil
}

func (f *orderFields) setLabels(location string, value any) {
	members, ok := value.(map[string]any)
	if !ok || f.given["label"] {
		f.wrong(location, "is an object of texts, once")
		return
	}
	f.given["label"] = true
	f.order.Labels = make(map[string]string, len(members))
	for name, v := range members {
		text, ok := v.(string)
		if !ok || unreadable(name+text) {
			f.wrong(location+"."+shown(name), "is no text in UTF-8")
		}
		f.order.Labels[name] = text
	}
}

// textsOf is a JSON value as texts.
func textsOf(value any) (texts []string, ok bool) {
	switch v := value.(type) {
	case string:
		return []string{v}, true
	case json.Number:
		return []string{v.String()}, true
	case bool:
		return []string{strconv.FormatBool(v)}, true
	case []any:
		for _, element := range v {
			text, ok := element.(string)
			if !ok {
				return nil, false
			}
			texts = append(texts, text)
		}
		return texts, true
	}
	return nil, false
}

// readJobs reads the list of jobs, one at a time.
func readJobs(decoder *json.Decoder, lines *jobLines) error {
	if token, err := decoder.Token(); err != nil {
		return jsonProblem(err)
	} else if token != json.Delim('[') {
		return kindBadRequest.problem("jobs is no list.")
	}
	var job json.RawMessage
	for decoder.More() {
		if err := decoder.Decode(&job); err != nil {
			return jsonProblem(err)
		}
		if err := lines.add(job); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return jsonProblem(err)
	}
	return nil
}

// jsonProblem is why a body is no JSON. What stands in it is not repeated.
func jsonProblem(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return kindBadRequest.problem("The body is no JSON at byte %d: %s. Nothing was stored.", syntax.Offset, syntax.Error())
	}
	return spoolProblem(err)
}

// jobLines keeps jobs as lines of NDJSON.
type jobLines struct {
	text spill.Buffer
	line bytes.Buffer // the one at hand
}

func (l *jobLines) add(job json.RawMessage) error {
	if len(job) > 0 && job[0] == '"' { // a domain alone
		job = append(append([]byte(`{"domain":`), job...), '}')
	}
	l.line.Reset()
	if err := json.Compact(&l.line, job); err != nil {
		return jsonProblem(err)
	}
	l.line.WriteByte('\n')
	_, err := l.text.Write(l.line.Bytes())
	return err //nolint:wrapcheck // it says what it is about
}
