package main

import (
	"strings"
	"testing"
)

// Whoever slips gets told what to write instead. Nothing is needed for that, no database and no settings.
func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"enqueu":                                "there is no command \"bulkreg enqueu\": did you mean enqueue? `bulkreg --help` lists them all\n",
		"xyzzy":                                 "there is no command \"bulkreg xyzzy\": `bulkreg --help` lists them all\n",
		"enqueue whios":                         "there is no command \"bulkreg enqueue whios\": did you mean whois? `bulkreg enqueue --help` lists them all\n",
		"holder gett":                           "did you mean get?",
		"dev extra":                             "dev takes no arguments: \"extra\"\n",
		"holds x":                               "holds takes no arguments: \"x\"\n",
		"resume one two":                        "resume takes one argument: \"two\" is one too many\nUsage: bulkreg resume [ACCOUNT|REF]",
		"job":                                   "give the job's ID: `bulkreg jobs REF` lists them\nUsage: bulkreg job ID",
		"order":                                 "give the order's reference: `bulkreg orders` lists them\nUsage:",
		"jobs one two":                          "jobs takes one argument: \"two\" is one too many",
		"retry":                                 "give orders by their references, or jobs by their IDs",
		"whois":                                 "give one or several domains",
		"enqueue whois a.nl --ordr x":           "unknown flag: --ordr: `bulkreg enqueue whois --help` lists what there is\n",
		"jobs one --limit x":                    "--limit \"x\": give a whole number, such as 100\n",
		"jobs one --limit 99999999999999999999": "give a whole number",
		"sandbox --latency 50":                  "--latency \"50\": give a number with its unit, such as 50ms or 2s\n",
		"enqueue whois --wait=perhaps":          "--wait \"perhaps\": give true or false",
		"jobs one -o xml":                       "--output \"xml\": want one of table, json, tsv\n",
		"purge --older-than x":                  "--older-than \"x\": want days or hours",
		"orders --limit":                        "flag needs an argument: --limit",
		"sandbox --addr 127.0.0.1:99999":        "--addr \"127.0.0.1:99999\" is no address to listen on: give host:port",
		"dev --addr off":                        "--addr \"off\" is no address",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			r := runCommand(t, nil, strings.Fields(line)...)
			if r.status != exitUsage || !strings.Contains(r.stderr, want) || r.stdout != "" {
				t.Errorf("status %d, %q: want %q", r.status, r.stderr, want)
			}
			if strings.Contains(r.stderr, "strconv") || strings.Contains(r.stderr, "arg(s)") {
				t.Errorf("it speaks of its own insides: %s", r.stderr)
			}
		})
	}
}
