package registrar

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// The types of this file read single values that are not in the documents, or may come in another form than there. None
// makes its item unreadable where something can be made of it.

// wireCode is a statusCode: a number from 100 to 599, in quotes or not. Anything else that was said is odd.
type wireCode struct {
	value int
	odd   string // as it came, "" for nothing
}

func (c *wireCode) UnmarshalJSON(raw []byte) error {
	text := scalarText(raw)
	switch code, ok := wholeNumber(text); {
	case text == "", ok && code == 0:
		*c = wireCode{}
	case ok && code >= http.StatusContinue && code < 600:
		*c = wireCode{value: int(code)}
	default:
		*c = wireCode{odd: text}
	}
	return nil
}

// wireInteger is an integer, written as JSON has them. One that no int holds is odd.
type wireInteger struct {
	value int
	odd   string // as it came, "" for nothing
}

func (i *wireInteger) UnmarshalJSON(raw []byte) error {
	n, err := strconv.Atoi(string(raw))
	switch {
	case err == nil:
		*i = wireInteger{value: n}
	case errors.Is(err, strconv.ErrRange):
		*i = wireInteger{odd: string(raw)}
	default:
		return errInteger
	}
	return nil
}

// wireSeconds is a number of seconds, in quotes or not, with a fraction or without. What is none is zero.
type wireSeconds struct {
	whole float64
	given bool
}

func (s *wireSeconds) UnmarshalJSON(raw []byte) error {
	text := scalarText(raw)
	n, _ := decimal(text) // an endless one of those that no float holds
	*s = wireSeconds{whole: math.Floor(n), given: text != ""}
	return nil
}

// decimal reads a number that is not negative, in decimal digits.
func decimal(text string) (float64, bool) {
	if strings.Trim(text, "0123456789.eE+") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}

// wholeNumber reads 404 as well as 404.0 and 4.04e2.
func wholeNumber(text string) (float64, bool) {
	n, ok := decimal(text)
	return n, ok && n == math.Trunc(n)
}

// scalarText is a JSON value as text, without its quotes; null is "".
func scalarText(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw) // no string: as it came
	}
	return strings.TrimSpace(text)
}

// wireWords are words: one string, or a list of them.
type wireWords string

func (w *wireWords) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*w = wireWords(one)
		return nil
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		return errWords
	}
	*w = wireWords(strings.Join(list, ", "))
	return nil
}

// wireFlag is a yes or a no. What is not clearly a no is a yes.
type wireFlag bool

func (f *wireFlag) UnmarshalJSON(raw []byte) error {
	switch strings.ToLower(scalarText(raw)) {
	case "", "false", "no", "n", "0", "none":
		*f = false
	default:
		*f = true
	}
	return nil
}

// wirePrice is a price as it came, and never a float; "" is none, and so is zero.
type wirePrice string

func (p *wirePrice) UnmarshalJSON(raw []byte) error {
	text := scalarText(raw)
	switch {
	case strings.ContainsAny(text, "123456789"), text == "true":
	case strings.Contains(text, "0"):
		text = ""
	default:
		switch strings.ToLower(text) {
		case "false", "free", "none", "no", "n/a", "-", "{}", "[]":
			text = ""
		}
	}
	if strings.ContainsAny(text, "{[") || text == "true" {
		text = wordPrice
	}
	*p = wirePrice(text)
	return nil
}

func (p wirePrice) or(other wirePrice) wirePrice {
	if p != "" {
		return p
	}
	return other
}

// in is the price with its currency, in words that are recognised as a price.
func (p wirePrice) in(currency string) string {
	text := string(p)
	if text == "" {
		return ""
	}
	if currency != "" && text != wordPrice {
		text += " " + currency
	}
	if !namesPrice(normalWord(text)) {
		text = wordPrice + " " + text
	}
	return text
}

var (
	errWords   = errors.New("neither a string nor a list of strings")
	errInteger = errors.New("no integer")
)
