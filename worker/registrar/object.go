package registrar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// decodeObject takes one JSON object, with or without a byte order mark, and nothing after it.
func decodeObject(body []byte, into any) error {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	if len(body) == 0 {
		return errors.New("reply is empty")
	}
	if body[0] != '{' {
		return errors.New("reply is not a JSON object")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("decode reply: %w", err)
	}
	return nil
}
