package torture

import (
	"fmt"
	"os"
	"strings"
)

// stopped says whether a signal has stopped the process: state T in /proc/PID/stat, after the name in parentheses
// (proc(5)).
func (p *process) stopped() (bool, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
	if err != nil {
		return false, err
	}
	text := string(stat)
	return strings.HasPrefix(text[strings.LastIndexByte(text, ')')+1:], " T"), nil
}
