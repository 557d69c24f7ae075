package worker

// Step is a place on a batch's way at which it makes a difference that a process dies or stands still. Options.Reached is
// told when one is reached; a worker that nobody watches does nothing there.
type Step string

// The steps, in the order in which a registration takes them.
const (
	StepTaken    Step = "taken"    // deliveries are committed, and none is enqueued
	StepEnqueued Step = "enqueued" // one of them is enqueued
	StepClaimed  Step = "claimed"  // jobs are claimed; nothing has been asked
	StepChecked  Step = "checked"  // WHOIS has answered; nothing is written
	StepIntended Step = "intended" // the intent is committed; no byte of the call has left
	StepSending  Step = "sending"  // there is a connection; no byte of the call has left. Only who watches the connection sees it
	StepReplied  Step = "replied"  // the answer has come; nothing is settled
	StepSettled  Step = "settled"  // a batch is settled; Asynq does not know
	StepSplit    Step = "split"    // a refused batch is about to go on with a part of it
	StepDrained  Step = "drained"  // stopping: what waited has been given back
)

// reached tells who watches.
func (o Options) reached(s Step) {
	if o.Reached != nil {
		o.Reached(s)
	}
}
