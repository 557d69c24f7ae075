package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// feed follows the log of events as an order system does, and counts the orders that it is told of.
type feed struct {
	door  *door
	after int64
	told  int
}

// follow reads on until it was told of as many orders as there are, which is known once clients have ended. It fails where it is
// told of one twice, or of fewer within a minute.
func (f *feed) follow(ctx context.Context, clients <-chan int) error {
	const patience = time.Minute
	there, deadline := -1, time.Time{}
	for there < 0 || f.told < there {
		if err := f.page(ctx); err != nil {
			return err
		}
		if there >= 0 && f.told < there && time.Now().After(deadline) {
			return fmt.Errorf("the log of events tells of %d orders, and there are %d", f.told, there)
		}
		select {
		case there = <-clients:
			deadline = time.Now().Add(patience)
		default:
		}
	}
	if f.told > there {
		return fmt.Errorf("the log of events tells of %d orders, and there are %d", f.told, there)
	}
	return nil
}

// page reads what comes next, and waits for it where there is nothing.
func (f *feed) page(ctx context.Context) error {
	body, err := f.door.get(ctx, "/v1/events?types=order.accepted&limit=1000&wait=1&after="+strconv.FormatInt(f.after, 10))
	if err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	said, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	var page struct {
		Events []struct {
			ID int64 `json:"id,string"`
		} `json:"events"`
	}
	if err := json.Unmarshal(said, &page); err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	for _, e := range page.Events {
		if e.ID <= f.after {
			return fmt.Errorf("the log of events tells of event %d behind event %d", e.ID, f.after)
		}
		f.after = e.ID
		f.told++
	}
	return nil
}

// get asks for something; the caller closes what comes.
func (d *door) get(ctx context.Context, path string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+d.key)
	response, err := d.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		said, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
		return nil, errors.Join(fmt.Errorf("%s: %s", response.Status, said), err, response.Body.Close())
	}
	return response.Body, nil
}

// openStreams is how many streams of an order's events are open at once.
const openStreams = 1000

// streams opens streams that tell something and then wait, and returns how much memory the API has more with them, in bytes; 0 where the
// system does not tell.
func (d *door) streams(ctx context.Context) (grown int64, err error) {
	before := resident(d.program.Pid())
	open := make([]io.ReadCloser, 0, openStreams)
	defer func() {
		for _, stream := range open {
			err = errors.Join(err, stream.Close())
		}
	}()
	patient := *d
	patient.client = &http.Client{Transport: &http.Transport{}} // they have no end
	for range openStreams {
		stream, err := patient.get(ctx, "/v1/orders/large/events")
		if err != nil {
			return 0, fmt.Errorf("open stream: %w", err)
		}
		open = append(open, stream)
		if _, err := io.ReadFull(stream, make([]byte, 1)); err != nil {
			return 0, fmt.Errorf("read stream: %w", err)
		}
	}
	return max(0, resident(d.program.Pid())-before), nil
}

// resident is how many bytes of memory a running process has; 0 where the system does not tell.
func resident(pid int) int64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	n, _ := parseResident(string(status), "VmRSS:")
	return n
}

// parseResident reads a line such as "VmHWM:   39020 kB" of Linux's /proc/PID/status, see proc(5).
func parseResident(status, name string) (int64, bool) {
	for line := range strings.Lines(status) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok {
			continue
		}
		number, ok := strings.CutSuffix(strings.TrimSpace(rest), " kB")
		kilobytes, err := strconv.ParseInt(number, 10, 64)
		const most = 1<<63 - 1
		if !ok || err != nil || kilobytes < 0 || kilobytes > most>>10 {
			return 0, false
		}
		return kilobytes << 10, true
	}
	return 0, false
}
