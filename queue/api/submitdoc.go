package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// orderBody is the JSON form of an order, for the document. What reads it is orderFields: a test compares the two.
type orderBody struct {
	Reference     string            `json:"reference,omitempty" maxLength:"128" doc:"Your own name for the order; without it the header Idempotency-Key is it" example:"2026-000123"`
	Kind          string            `json:"kind" enum:"whois,register,token"`
	Account       string            `json:"account,omitempty" default:"default"`
	Labels        map[string]string `json:"labels,omitempty" doc:"At most 20, to find the order by; a repeat changes none. Put nothing of a person there"`
	HolderID      string            `json:"holder_id,omitempty" doc:"Of registrations: the holder for jobs that name none"`
	Period        int               `json:"period,omitempty" minimum:"1" maximum:"120" default:"12" doc:"Of registrations: months, for jobs that name none"`
	Nameservers   []string          `json:"nameservers,omitempty" doc:"Of registrations: for jobs that name none"`
	AllowStatus   []string          `json:"allow_status,omitempty" doc:"Of registrations: words of a WHOIS status, such as premium, with which a domain may be registered all the same"`
	AllowPeriod   bool              `json:"allow_period,omitempty" doc:"Of registrations: allows periods that are no whole number of years"`
	IgnoreColumns []string          `json:"ignore_columns,omitempty" doc:"Members of jobs that may mean nothing here; all for all of them"`
	OnInvalid     string            `json:"on_invalid,omitempty" enum:"reject,skip" default:"reject" doc:"skip leaves out jobs that cannot be used; else the order is refused"`
	DryRun        bool              `json:"dry_run,omitempty" doc:"Answers what the order would do, and stores nothing"`
	Jobs          []jobBody         `json:"jobs" maxItems:"1000000" doc:"At least one"`
}

// jobBody is a job of an order. Which members it may have depends on the order's kind.
type jobBody struct {
	Domain      string      `json:"domain,omitempty" doc:"Of whois and register, in either spelling" example:"example.nl"`
	HolderID    string      `json:"holder_id,omitempty" doc:"Of register"`
	Holder      *holderBody `json:"holder,omitempty" doc:"Of register, in place of holder_id: the holder's details"`
	Period      int         `json:"period,omitempty" doc:"Of register, in months"`
	Nameservers []string    `json:"nameservers,omitempty" doc:"Of register: none, or 2 to 13"`
	AllowStatus []string    `json:"allow_status,omitempty" doc:"Of register"`

	Email          string `json:"email,omitempty" doc:"Of token"`
	Originator     string `json:"originator,omitempty" doc:"Of token"`
	LanguageCode   string `json:"languageCode,omitempty" doc:"Of token"`
	FirstName      string `json:"firstname,omitempty" doc:"Of token"`
	LastName       string `json:"lastname,omitempty" doc:"Of token"`
	PrivacyConsent *bool  `json:"privacyConsent,omitempty" doc:"Of token"`
}

// holderBody are a holder's details, by the names that package holder knows.
type holderBody struct {
	Company     string `json:"company,omitempty" doc:"Without it the first and last name are needed"`
	FirstName   string `json:"firstname,omitempty"`
	LastName    string `json:"lastname,omitempty"`
	Email       string `json:"email,omitempty"`
	Phone       string `json:"phone,omitempty" example:"+31201234567"`
	Street      string `json:"street,omitempty"`
	HouseNumber string `json:"housenumber,omitempty"`
	PostalCode  string `json:"postalcode,omitempty"`
	City        string `json:"city,omitempty"`
	Country     string `json:"country,omitempty" doc:"Two letters" example:"NL"`
}

// submitParameters are what is said of an order whose body has its jobs alone.
func submitParameters() []*huma.Param {
	text := func(name, about string, enum ...any) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: about, Schema: &huma.Schema{Type: huma.TypeString, Enum: enum}}
	}
	truth := func(name, about string) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: about, Schema: &huma.Schema{Type: huma.TypeBoolean}}
	}
	explode := true
	return []*huma.Param{
		text("reference", "Your own name for the order; without it the header Idempotency-Key is it"),
		text("kind", "What is asked for", "whois", "register", "token"),
		text("account", "Whose work it is; default"),
		{Name: "label", In: "query", Description: "NAME:TEXT, at most 20, to find the order by", Explode: &explode,
			Schema: &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}}},
		text("holder_id", "Of registrations: the holder for jobs that name none"),
		{Name: "period", In: "query", Description: "Of registrations: months, for jobs that name none; 12", Schema: &huma.Schema{Type: huma.TypeInteger}},
		text("nameservers", "Of registrations: for jobs that name none, with commas"),
		text("allow_status", "Of registrations: words of a WHOIS status with which a domain may be registered all the same, with commas"),
		truth("allow_period", "Of registrations: allows periods that are no whole number of years"),
		text("ignore_columns", "Columns or members of jobs that may mean nothing here, with commas; all for all of them"),
		text("on_invalid", "skip leaves out jobs that cannot be used; else the order is refused", "reject", "skip"),
		truth("dry_run", "Answers what the order would do, and stores nothing"),
		{Name: "Idempotency-Key", In: "header", Description: "The order's reference, where none is given. It never expires", Schema: &huma.Schema{Type: huma.TypeString}},
		{Name: "Content-Encoding", In: "header", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"gzip"}}},
	}
}

func submitBody(a *API) *huma.RequestBody {
	schemas := a.huma.OpenAPI().Components.Schemas
	text := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	return &huma.RequestBody{
		Required: true, Description: "The order's jobs. NDJSON has one job a line, CSV a header with the same names, and plain text one domain a line.",
		Content: map[string]*huma.MediaType{
			jsonType: {Schema: schemas.Schema(typeOf[orderBody](), true, "Order")}, ndjsonType: text, csvType: text, textType: text,
		},
	}
}

func submitAnswers(a *API) map[string]*huma.Response {
	schemas := a.huma.OpenAPI().Components.Schemas
	order := map[string]*huma.MediaType{jsonType: {Schema: schemas.Schema(typeOf[submitted](), true, "SubmittedOrder")}}
	planned := &huma.Schema{OneOf: []*huma.Schema{order[jsonType].Schema, schemas.Schema(typeOf[plan](), true, "Plan")}}
	location := map[string]*huma.Header{"Location": {Description: "Where the order is", Schema: &huma.Schema{Type: huma.TypeString}}}
	return map[string]*huma.Response{
		statusText(http.StatusAccepted): {Description: "The order is accepted, and durable", Headers: location, Content: order},
		statusText(http.StatusOK): {Description: "The same order was there already, and nothing was changed; or, of a dry run, what it would do",
			Headers: location, Content: map[string]*huma.MediaType{jsonType: {Schema: planned}}},
	}
}
