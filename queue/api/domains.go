package api

import (
	"context"
	"net/http"

	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
)

// domainJobs bounds how many jobs of a domain are listed.
const domainJobs = 100

type domainInput struct {
	Domain string `path:"domain" maxLength:"500" doc:"In either spelling" example:"café.be"`
}

type domainOutput struct {
	Body struct {
		Domain        string      `json:"domain"`
		DomainUnicode string      `json:"domain_unicode,omitempty" doc:"Where it differs from domain"`
		Total         int         `json:"total" doc:"Jobs there are"`
		Jobs          []listedJob `json:"jobs" doc:"The newest 100, the oldest of these first"`
	}
}

// listedJob is a job in a list over several orders.
type listedJob struct {
	view.Job

	Reference string `json:"reference"`
	Account   string `json:"account"`
}

// listsDomain is the operation whose path names something that is always there: its list is empty then.
const listsDomain = "get-domain"

func (a *API) registerDomains() {
	add(a, operation(listsDomain, http.MethodGet, "/v1/domains/{domain}", tagJobs, "All jobs for a domain",
		"Every job of the source for a domain, over all its orders. It asks no registrar.", apikey.Read), a.getDomain)
}

func (a *API) getDomain(ctx context.Context, in *domainInput) (*domainOutput, error) {
	name, err := a.domain(in.Domain, "path.domain")
	if err != nil {
		return nil, err
	}
	jobs, total, err := a.options.Store.Orders.JobsOfDomain(ctx, name.ASCII, callerOf(ctx).Source, domainJobs)
	if err != nil {
		return nil, err
	}
	var out domainOutput
	out.Body.Domain, out.Body.Total, out.Body.Jobs = name.ASCII, total, make([]listedJob, len(jobs))
	if name.Unicode != name.ASCII {
		out.Body.DomainUnicode = name.Unicode
	}
	for i, j := range jobs {
		out.Body.Jobs[i] = listedJob{jobOf(j), j.Reference, j.Account}
	}
	return &out, nil
}

// domain reads a domain in whatever spelling.
func (a *API) domain(text, location string) (domainname.Name, error) {
	name, err := a.options.Suffixes.Parse(text)
	if err != nil {
		p := kindInvalid.problem("The domain cannot be used.")
		p.add(Fault{Location: location, Message: err.Error()})
		return name, p
	}
	return name, nil
}
