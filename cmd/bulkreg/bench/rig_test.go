package bench

import (
	"strings"
	"testing"
)

func TestWithoutSettings(t *testing.T) {
	t.Parallel()
	got := withoutSettings([]string{"PATH=/bin", "DATABASE_URL=a", "REDIS_URL_FILE=b", "WHOIS_LINGER=1s", "REGISTRAR_ACCOUNTS_7_NAME=x", "GOMAXPROCS=1"})
	if strings.Join(got, " ") != "PATH=/bin GOMAXPROCS=1" {
		t.Errorf("left: %q", got)
	}
}
