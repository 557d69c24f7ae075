package view

import (
	"time"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"
)

// Job is one job, in lists and in exports.
type Job struct {
	ID            uuid.UUID      `json:"job_id" format:"uuid"`
	Domain        string         `json:"domain" doc:"In its ASCII form; of a token the person's subject"`
	Kind          record.Kind    `json:"kind"`
	State         record.State   `json:"state"`
	Outcome       record.Outcome `json:"outcome" doc:"Empty until the job is final, and for canceled ones"`
	Attempts      int            `json:"attempts"`
	Error         string         `json:"error" doc:"The newest, in the registrar's words where it had any"`
	DomainUnicode string         `json:"domain_unicode,omitempty" doc:"Where it differs from domain"`
	HolderID      string         `json:"holder_id,omitempty"`
	PeriodMonths  int            `json:"period_months,omitempty"`
	Nameservers   []string       `json:"nameservers,omitempty"`
	CreatedAt     time.Time      `json:"created_at"`
	FinishedAt    *time.Time     `json:"finished_at"`
	WhoisStatus   string         `json:"whois_status,omitempty" doc:"What WHOIS said beside available or taken, such as premium"`
	AllowStatus   []string       `json:"allow_status,omitempty" doc:"Words of it with which the domain may be registered"`

	PrivacyConsent *bool `json:"privacy_consent,omitempty" doc:"Of a token: what the order said when it came"`
}

// JobOf is a job as it stands.
func JobOf(j record.Job) Job {
	return Job{
		ID: j.ID, Domain: j.Domain, Kind: j.Kind, State: j.State, Outcome: j.Outcome, Attempts: j.Attempts, Error: j.LastError,
		DomainUnicode: j.DomainUnicode, HolderID: j.HolderID, PeriodMonths: j.PeriodMonths, Nameservers: j.Nameservers,
		CreatedAt: j.CreatedAt.UTC(), FinishedAt: Time(j.FinishedAt),
		WhoisStatus: j.WhoisStatus, AllowStatus: j.AllowStatus, PrivacyConsent: j.PrivacyConsent,
	}
}

// JobDetail is a job with all its calls, and whatever else is known of it.
type JobDetail struct {
	Job

	Source    string     `json:"source"`
	Reference string     `json:"reference"`
	Account   string     `json:"account"`
	WakeAt    *time.Time `json:"wake_at" doc:"When it needs attention next; null where nothing is planned"`
	Canceling bool       `json:"canceling,omitempty" doc:"Canceled, and waiting for the check that this still needs"`
	// WaitsFor is why it does not move, what weighs most first; left out when nothing is known to be in the way.
	WaitsFor []Still `json:"waits_for,omitempty" doc:"Why it does not move, what weighs most first"`
	Calls    []Call  `json:"calls" doc:"The oldest first"`

	Evidence
}

// Call is one request to the upstream that a job was in.
type Call struct {
	ID         uuid.UUID           `json:"call_id" format:"uuid"`
	Op         record.Op           `json:"op"`
	Size       int                 `json:"size" doc:"Jobs in it"`
	Worker     string              `json:"worker"`
	StartedAt  time.Time           `json:"started_at"`
	FinishedAt *time.Time          `json:"finished_at" doc:"null: it is under way"`
	Status     int                 `json:"status,omitempty" doc:"HTTP status; left out when no reply came"`
	DurationMS int64               `json:"duration_ms,omitempty" doc:"Milliseconds; left out when no reply came"`
	Attempt    record.AttemptState `json:"attempt,omitempty" doc:"How the job fared in a paid call"`
	Error      string              `json:"error,omitempty" doc:"Of the whole call"`
	Message    string              `json:"message,omitempty" doc:"Of this job"`
}

// JobDetailOf is a job with what was read of it.
func JobDetailOf(j record.Job, calls []orders.Call, e Evidence) JobDetail {
	detail := JobDetail{
		Job: JobOf(j), Source: j.Source, Reference: j.Reference, Account: j.Account,
		WakeAt: Time(j.WakeAt), Canceling: j.Canceling, Calls: make([]Call, len(calls)), Evidence: e,
	}
	for i, c := range calls {
		detail.Calls[i] = Call{
			ID: c.ID, Op: c.Op, Size: c.Size, Worker: c.Worker, StartedAt: c.StartedAt.UTC(), FinishedAt: Time(c.FinishedAt),
			Status: c.Status, DurationMS: c.Duration.Milliseconds(), Attempt: c.Attempt, Error: c.Error, Message: c.Message,
		}
	}
	return detail
}

// Evidence is what is known of a job beyond its calls.
type Evidence struct {
	Readings []Reading `json:"readings,omitempty" doc:"What WHOIS said after a paid call without a definite answer, the oldest first"`
	Acts     []Act     `json:"acts,omitempty" doc:"What people did to the job, the oldest first"`
}

// Reading is what WHOIS said of a domain whose paid call had no definite answer.
type Reading struct {
	CallID       uuid.UUID      `json:"call_id" format:"uuid"`
	ReadAt       time.Time      `json:"read_at"`
	Availability record.Outcome `json:"availability"`
	Status       string         `json:"status,omitempty" doc:"The registrar's word for it"`
}

// Act is what a person did to a job.
type Act struct {
	Act           operator.Act   `json:"act"`
	By            string         `json:"by"`
	Reason        string         `json:"reason"`
	At            time.Time      `json:"at"`
	StateBefore   record.State   `json:"state_before"`
	OutcomeBefore record.Outcome `json:"outcome_before"`
	ErrorBefore   string         `json:"error_before"`
}

// EvidenceOf is evidence as it was read.
func EvidenceOf(readings []operator.RecordedReading, acts []operator.RecordedAct) Evidence {
	var e Evidence
	for _, r := range readings {
		e.Readings = append(e.Readings, Reading{r.Call, r.ReadAt.UTC(), r.Availability, r.Status})
	}
	for _, a := range acts {
		e.Acts = append(e.Acts, Act{a.Act, a.Operator, a.Reason, a.At.UTC(), a.StateBefore, a.OutcomeBefore, a.ErrorBefore})
	}
	return e
}
