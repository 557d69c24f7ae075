package sandbox

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
)

// refusal is why an item fails alone by a fault, nil if it does not.
func (f Fault) refusal(domain string) *failure {
	if f.Suffix != "" && !f.under(domain) {
		return nil
	}
	why := failure{status: f.Status, message: f.Message}
	if why.status == 0 {
		why.status = http.StatusUnprocessableEntity
	}
	if why.message == "" {
		why.message = "scripted fault: refused"
	}
	return &why
}

func (x extent) refusal(domain string) *failure {
	if x.refuse == nil {
		return nil
	}
	return x.refuse(domain)
}

// under reports whether a domain is below the suffix of a fault.
func (f Fault) under(domain string) bool {
	return strings.HasSuffix(domain, "."+strings.ToLower(strings.TrimPrefix(f.Suffix, ".")))
}

// gzipped is a message whose body is compressed.
func (m message) gzipped() message {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(m.body)
	if err := errors.Join(err, w.Close()); err != nil {
		return message{status: http.StatusInternalServerError, kind: contentHTML, body: webPage(http.StatusInternalServerError)}
	}
	headers := map[string]string{"Content-Encoding": "gzip"}
	maps.Copy(headers, m.headers)
	m.headers, m.body = headers, b.Bytes()
	return m
}

// oddCodes puts the fault's statusCode into the first items of a body, or into a body that is one item.
func (f Fault) oddCodes(body []byte) []byte {
	code := json.RawMessage(f.Code)
	if len(code) == 0 {
		code = json.RawMessage("99999999999")
	}
	var list struct {
		Results []map[string]json.RawMessage `json:"results"`
	}
	var one map[string]json.RawMessage
	var changed any = &one
	switch {
	case json.Unmarshal(body, &list) == nil && list.Results != nil:
		for i := range list.Results[:min(max(f.Items, 1), len(list.Results))] {
			list.Results[i]["statusCode"] = code
		}
		changed = list
	case json.Unmarshal(body, &one) == nil && one["domain"] != nil:
		one["statusCode"] = code
	case one["token"] != nil:
		one["status"] = code
	default:
		return body
	}
	odd, err := json.Marshal(changed)
	if err != nil {
		return body
	}
	return odd
}

// otherFields is a JSON value in whose objects a field is left out, renamed or added.
func (f Fault) otherFields(value json.RawMessage) json.RawMessage {
	var (
		list    []json.RawMessage
		object  map[string]json.RawMessage
		changed any
	)
	switch {
	case json.Unmarshal(value, &list) == nil && list != nil:
		for i := range list {
			list[i] = f.otherFields(list[i])
		}
		changed = list
	case json.Unmarshal(value, &object) == nil && object != nil:
		leaf := true
		for name, inner := range object {
			object[name] = f.otherFields(inner)
			leaf = leaf && !bytes.HasPrefix(inner, []byte("["))
		}
		f.otherField(object, leaf)
		changed = object
	default:
		return value
	}
	other, err := json.Marshal(changed)
	if err != nil {
		return value
	}
	return other
}

// otherField changes one object; a leaf has no list in it.
func (f Fault) otherField(object map[string]json.RawMessage, leaf bool) {
	was, there := object[f.Field]
	switch {
	case f.Kind == KindAddField && leaf:
		object[f.Field] = json.RawMessage(cmp.Or(f.Code, "1"))
	case f.Kind == KindDropField:
		delete(object, f.Field)
	case f.Kind == KindRenameField && there:
		delete(object, f.Field)
		object[f.Word] = was
	}
}
