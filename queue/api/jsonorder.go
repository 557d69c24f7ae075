package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// readJSON reads an order that is one JSON object. Its jobs, wherever they stand in it, are kept as lines.
func (f *orderFields) readJSON(body io.Reader) (_ *jobLines, err error) {
	f.isJSON = true
	decoder := json.NewDecoder(body)
	decoder.UseNumber()
	lines := &jobLines{}
	defer func() {
		if err != nil {
			lines.close()
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
		if !ok {
			f.wrong(location+"."+shown(name), "is no text")
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

// jobLines keeps jobs as lines of NDJSON: few in memory, many in a temporary file without a name.
type jobLines struct {
	memory bytes.Buffer
	file   *os.File
}

// maxInMemory is up to how many bytes of jobs are kept in memory.
const maxInMemory = 1 << 20

func (l *jobLines) add(job json.RawMessage) error {
	if len(job) > 0 && job[0] == '"' { // a domain alone
		job = append(append([]byte(`{"domain":`), job...), '}')
	}
	if err := json.Compact(&l.memory, job); err != nil {
		return jsonProblem(err)
	}
	l.memory.WriteByte('\n')
	if l.memory.Len() < maxInMemory {
		return nil
	}
	return l.flush()
}

// flush writes what is in memory to the file.
func (l *jobLines) flush() error {
	if l.file == nil {
		file, err := os.CreateTemp("", "bulkreg-jobs-*.ndjson")
		if err != nil {
			return fmt.Errorf("create file for jobs: %w", err)
		}
		l.file = file
		if err := os.Remove(file.Name()); err != nil { // it may hold people, and is gone with this process
			return fmt.Errorf("take its name from file for jobs: %w", err)
		}
	}
	if _, err := l.memory.WriteTo(l.file); err != nil {
		return fmt.Errorf("write file for jobs: %w", err)
	}
	return nil
}

// reader reads the lines, once.
func (l *jobLines) reader() io.Reader {
	if l.file == nil {
		return &l.memory
	}
	return io.MultiReader(io.NewSectionReader(l.file, 0, 1<<62), &l.memory)
}

func (l *jobLines) close() {
	if l.file != nil {
		_ = l.file.Close() // nobody wants what was in it any more
	}
}
