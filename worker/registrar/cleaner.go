package registrar

// Cleaner makes what an upstream says safe to store and to show, for a client of another upstream: see Client's own words. It may
// be used concurrently.
type Cleaner struct{ scrub *scrubber }

// NewCleaner hides these secrets. One that is shorter than what is hidden in parts is left out: it may as well be a word.
func NewCleaner(secrets ...Secret) *Cleaner { return &Cleaner{newScrubber("", secrets...)} }

// Hide hides one more secret, beside the last few that it was told of. Call it before the secret is used.
func (c *Cleaner) Hide(secret Secret) { c.scrub.addToken(secret) }

// Clean gives a text on one line of at most MaxMessage bytes, without secrets, tokens, e-mail addresses, telephone numbers, and
// what is known of the people that the call is about.
func (c *Cleaner) Clean(text string, about ...Holder) string {
	return c.scrub.clean(text, personalOf(about)())
}

// Page takes the words out of a reply that is not the documented JSON, such as a proxy's error page, and cleans them.
func (c *Cleaner) Page(body []byte, about ...Holder) string {
	return c.scrub.page(body, personalOf(about)())
}
