package webhook

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/queue/hook"
	"github.com/bulkreg/bulkreg/store/webhooks"
)

// testType is the type of a test's message.
const testType = "webhook.test"

// message is what an endpoint is sent. It is the same at each attempt.
type message struct {
	id   string
	body []byte
}

// messageOf makes the message of a delivery: thin, so that nothing in it can be out of date or must be kept secret. Whoever wants to
// know more asks the API.
func messageOf(d webhooks.Due, now time.Time) (message, error) {
	id, kind, at := messageID(d), d.Type, d.At
	data := map[string]any{}
	switch {
	case d.Test:
		kind, at = testType, now
		data["webhook"] = d.Endpoint
	default:
		var told map[string]any
		if err := json.Unmarshal(d.Data, &told); err != nil {
			return message{}, fmt.Errorf("read event %d: %w", d.EventID, err)
		}
		maps.Copy(data, told)
		data["event_id"] = strconv.FormatInt(d.EventID, 10)
		for name, value := range map[string]string{"account": d.Account, "reference": d.Order, "domain": d.Domain} {
			if value != "" {
				data[name] = value
			}
		}
		if d.Job != uuid.Nil {
			data["job_id"] = d.Job.String()
		}
	}
	body, err := json.Marshal(map[string]any{"type": kind, "timestamp": at.UTC().Format(time.RFC3339Nano), "data": data})
	if err != nil {
		return message{}, fmt.Errorf("write message of event %d: %w", d.EventID, err)
	}
	return message{id, body}, nil
}

// messageID is the same for an event whatever the attempt. Its time is a part of it: a database that was put back may give an id to
// another event.
func messageID(d webhooks.Due) string {
	if d.Test {
		return fmt.Sprintf("test_%d", d.ID)
	}
	return fmt.Sprintf("evt_%d_%s", d.EventID, strconv.FormatInt(d.At.UnixMicro(), 36))
}

// signatures sign a message with each of an endpoint's secrets.
func signatures(secrets []hook.Secret, m message, at time.Time) string {
	signed := make([]string, len(secrets))
	for i, s := range secrets {
		signed[i] = s.Sign(m.id, at, m.body)
	}
	return strings.Join(signed, " ")
}
