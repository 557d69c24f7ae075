//go:build !linux

package torture

import (
	"os/exec"
	"strconv"
	"strings"
)

// stopped says whether a signal has stopped the process.
func (p *process) stopped() (bool, error) {
	state, err := exec.Command("ps", "-o", "state=", "-p", strconv.Itoa(p.Pid())).Output()
	return strings.HasPrefix(strings.TrimSpace(string(state)), "T"), err
}
