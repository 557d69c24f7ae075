package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPasswordsOfAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string][]string{
		"": nil, "postgres://localhost/db": nil, "postgres://ann@localhost/db": nil,
		"postgres://ann:p%40ss%20word@localhost/db":                       {"p@ss word"},
		"postgres://localhost/db?user=ann&password=in-a-parameter":        {"in-a-parameter"},
		"host=localhost user=ann password=in-words dbname=db":             {"in-words"},
		"host=localhost password = 'in quotes' dbname=db":                 {"in quotes"},
		"redis://:redis-password@localhost:6379/0":                        {"redis-password"},
		"rediss://ann:one@a:1?sentinel_password=two&master_name=mymaster": {"one", "two"},
	} {
		var got []string
		for _, password := range passwords(address) {
			got = append(got, string(password))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", address, diff)
		}
	}
}
