package record

// AttemptState is how one job fared in one paid call.
type AttemptState string

const (
	// AttemptOpen is an intent whose call has not come back. The worker resolves it, or the rescuer makes it
	// unknown.
	AttemptOpen AttemptState = "open"
	// AttemptRegistered has a stored success reply for its item, or an operator's word for it.
	AttemptRegistered AttemptState = "registered"
	// AttemptFailed was refused by itself in an otherwise good reply: it certainly had no effect.
	AttemptFailed AttemptState = "failed"
	// AttemptRefused went down with its whole call. Nothing promises that this had no effect.
	AttemptRefused AttemptState = "refused"
	// AttemptNotSent never left: no byte of the request did.
	AttemptNotSent AttemptState = "not_sent"
	// AttemptUnknown was sent and has no answer. It bars its domain until WHOIS readings, a late reply or a
	// person resolve it.
	AttemptUnknown AttemptState = "unknown"
	// AttemptCleared was unknown, and is held to have had no effect since.
	AttemptCleared AttemptState = "cleared"
	// AttemptDisowned left doubt behind, until an operator found out that it had no effect. It speaks neither for
	// nor against its domain any more; only a late success would still count.
	AttemptDisowned AttemptState = "disowned"
)
