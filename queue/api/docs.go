package api

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html
var docsPage string

// registerDocs adds the document, for programs and for people, and what kinds of problems mean. None of them needs a key.
func (a *API) registerDocs() {
	document := sync.OnceValues(func() ([]byte, error) { return json.MarshalIndent(a.huma.OpenAPI(), "", "  ") })
	page := sync.OnceValues(a.page)
	a.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, r *http.Request) {
		text, err := document()
		if err != nil {
			a.refuse(w, r, a.told(r.Context(), fmt.Errorf("encode document: %w", err)))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(text, '\n')) // who does not read it is gone
	})
	a.mux.HandleFunc("GET /docs", func(w http.ResponseWriter, r *http.Request) {
		text, err := page()
		if err != nil {
			a.refuse(w, r, a.told(r.Context(), err))
			return
		}
		w.Header().Set("Content-Security-Policy", "style-src "+stylesOf(text)+"; "+policy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(text) // as above
	})
	a.mux.HandleFunc("GET /problems/{name}", func(w http.ResponseWriter, r *http.Request) {
		for _, k := range kinds() {
			if k.name == r.PathValue("name") {
				w.Header().Set("Content-Type", "text/plain; charset=utf-8")
				_, _ = fmt.Fprintf(w, "%s (%d)\n\n%s\n", k.title, k.status, k.about) // as above
				return
			}
		}
		a.refuse(w, r, kindNotFound.problem("There is no such kind of problem: /docs lists them."))
	})
}

// stylesOf names the styles of a page for a policy: nothing else that may come into it is one.
func stylesOf(page []byte) string {
	_, rest, _ := bytes.Cut(page, []byte("<style>"))
	style, _, _ := bytes.Cut(rest, []byte("</style>"))
	sum := sha256.Sum256(style)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// shownOperation is an operation on the page.
type shownOperation struct {
	Method, Path, Anchor string
	*huma.Operation

	Text     []string // the description, paragraph by paragraph
	Problems string   // the statuses of those that it may answer with
	Bodies   []shownSchema
	Answers  []shownAnswer
}

type shownAnswer struct {
	Status, About string
	Schemas       []shownSchema
}

type shownSchema struct {
	Media  string
	Fields []shownField
}

type shownField struct {
	Name, Type, About string
	Required          bool
}

type shownTag struct {
	Name       string
	Operations []shownOperation
}

// page renders the document on the server: nothing of it is loaded from elsewhere, and nothing runs in the browser.
func (a *API) page() ([]byte, error) {
	tmpl, err := template.New("docs").Parse(docsPage)
	if err != nil {
		return nil, fmt.Errorf("parse page: %w", err)
	}
	doc := a.huma.OpenAPI()
	tags := make([]shownTag, 0, len(doc.Tags))
	for _, tag := range doc.Tags {
		shown := shownTag{Name: tag.Name}
		for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
			item := doc.Paths[path]
			for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete} {
				if op != nil && slices.Contains(op.Tags, tag.Name) {
					shown.Operations = append(shown.Operations, a.shown(op))
				}
			}
		}
		tags = append(tags, shown)
	}
	var page bytes.Buffer
	about := make([]shownField, 0, len(kinds()))
	for _, k := range kinds() {
		about = append(about, shownField{Name: k.name, Type: statusText(k.status), About: k.about})
	}
	err = tmpl.Execute(&page, map[string]any{"Info": doc.Info, "Tags": tags, "Problems": about})
	if err != nil {
		return nil, fmt.Errorf("render page: %w", err)
	}
	return page.Bytes(), nil
}

func (a *API) shown(op *huma.Operation) shownOperation {
	s := shownOperation{Method: op.Method, Path: op.Path, Anchor: op.OperationID, Operation: op, Text: strings.Split(strings.ReplaceAll(op.Description, "**", ""), "\n\n")}
	if op.RequestBody != nil {
		s.Bodies = a.schemas(op.RequestBody.Content)
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		if !strings.HasPrefix(status, "2") {
			s.Problems += " " + status
			continue
		}
		s.Answers = append(s.Answers, shownAnswer{status, op.Responses[status].Description, a.schemas(op.Responses[status].Content)})
	}
	return s
}

func (a *API) schemas(content map[string]*huma.MediaType) []shownSchema {
	var out []shownSchema
	for _, media := range slices.Sorted(maps.Keys(content)) {
		schema := a.resolved(content[media].Schema)
		s := shownSchema{Media: media}
		for _, one := range append([]*huma.Schema{schema}, schema.OneOf...) {
			one = a.resolved(one)
			for _, name := range slices.Sorted(maps.Keys(one.Properties)) {
				property := a.resolved(one.Properties[name])
				about := one.Properties[name].Description
				if about == "" {
					about = property.Description
				}
				s.Fields = append(s.Fields, shownField{name, a.typeName(one.Properties[name]), about, slices.Contains(one.Required, name)})
			}
		}
		out = append(out, s)
	}
	return out
}

// resolved is a schema itself, where it is named by a reference.
func (a *API) resolved(s *huma.Schema) *huma.Schema {
	if s.Ref == "" {
		return s
	}
	return a.huma.OpenAPI().Components.Schemas.SchemaFromRef(s.Ref)
}

func (a *API) typeName(s *huma.Schema) string {
	name := a.resolved(s)
	switch {
	case name.Type == huma.TypeArray && name.Items != nil:
		return "list of " + a.typeName(name.Items)
	case len(name.Enum) > 0:
		words := make([]string, len(name.Enum))
		for i, word := range name.Enum {
			words[i] = fmt.Sprint(word)
		}
		return strings.Join(words, " | ")
	case name.Format != "":
		return name.Type + " (" + name.Format + ")"
	}
	return name.Type
}
