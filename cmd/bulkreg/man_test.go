package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryCommandHasAManualPage(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if r := runCommand(t, nil, "man", folder); r.status != exitDone {
		t.Fatalf("status %d: %s", r.status, r.stderr)
	}
	for name, words := range map[string]string{
		"bulkreg.1": "SYNOPSIS", "bulkreg-enqueue-register.1": "dry-run", "bulkreg-enqueue-token.1": "privacyConsent", "bulkreg-status.1": "EXAMPLE",
	} {
		page, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || !strings.Contains(strings.ReplaceAll(string(page), `\-`, "-"), words) {
			t.Errorf("%s lacks %q, %v", name, words, err)
		}
	}
	if r := runCommand(t, nil, "man", filepath.Join(folder, "none")); r.status != exitError || !strings.Contains(r.stderr, "write manual pages") {
		t.Errorf("into a folder that is not there: status %d, %s", r.status, r.stderr)
	}
	if r := runCommand(t, nil, "man"); r.status != exitUsage {
		t.Errorf("without a folder: status %d", r.status)
	}
}
