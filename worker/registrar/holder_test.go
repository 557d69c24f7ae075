package registrar

import (
	"context"
	"strings"
	"testing"
)

// secretman is somebody whom no error may name.
func secretman() Holder {
	return Holder{
		Company: "Secretman & Zonen", FirstName: "Joost", LastName: "Secretman", Email: "joost@example.nl", Phone: "+31612345678",
		Street: "Kerkstraat", HouseNumber: "12", PostalCode: "1234AB", City: "Zonnedorp", Country: "NL",
	}
}

// What is no HTTP may be anything, the holder's details too: net/http quotes it, and sees no reason not to.
func TestUnreadableRepliesKeepHoldersPrivate(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"no HTTP":           "Secretman, Joost, Kerkstraat 12, 1234AB Zonnedorp\r\n\r\n",
		"no status":         "HTTP/1.1 Secretman of Zonnedorp\r\n\r\n",
		"a broken header":   "HTTP/1.1 200 OK\r\nSecretman of Zonnedorp\r\n\r\n",
		"a length in words": "HTTP/1.1 200 OK\r\nContent-Length: Secretman of Zonnedorp\r\n\r\n",
		"a strange coding":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: Secretman\r\n\r\n",
	} {
		for op, call := range map[string]func(context.Context, *Client) (HolderReply, error){
			"create": func(ctx context.Context, c *Client) (HolderReply, error) { return c.CreateHolder(ctx, secretman()) },
			"find": func(ctx context.Context, c *Client) (HolderReply, error) {
				return c.FindHolder(ctx, HolderSearch{Email: secretman().Email, Known: secretman()})
			},
		} {
			t.Run(name+", "+op, func(t *testing.T) {
				t.Parallel()
				c := newTestClient(t, testConfig(newUpstream(t, always(reply{raw: []byte(raw), close: true})).url()))
				_, err := call(testContext(t), c)
				if err == nil {
					t.Fatal("it was read")
				}
				for _, detail := range []string{"secretman", "zonnedorp", "1234ab", "kerkstraat", "joost"} {
					if strings.Contains(strings.ToLower(err.Error()), detail) {
						t.Errorf("the error quotes %s: %v", detail, err)
					}
				}
			})
		}
	}
}

// An id that cannot be kept, sent or shown is none.
func TestHolderIDs(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		id string
		ok bool
	}{
		"number in text": {"1234", true},
		"longest":        {strings.Repeat("x", maxHolderID), true},
		"too long":       {strings.Repeat("x", maxHolderID+1), false},
		"NUL":            {`H\u0000`, false},
		"two lines":      {`H\n1`, false},
	} {
		c := newTestClient(t, testConfig(newUpstream(t, always(jsonReply(201, `{"id":"`+tt.id+`"}`))).url()))
		got, err := c.CreateHolder(testContext(t), secretman())
		if (err == nil) != tt.ok || (got.Holder.ID != "") != tt.ok || !tt.ok && got.Complete {
			t.Errorf("%s: %+v, error %v", name, got, err)
		}
	}
}
