package bench

import (
	"os"
	"path/filepath"
	"testing"
)

// Figures are written over a file of figures, and through no link: in a folder that others may write into, one may lead anywhere.
func TestFiguresFollowNoLink(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	victim, link, plain := filepath.Join(folder, "victim"), filepath.Join(folder, "link"), filepath.Join(folder, "figures.json")
	for _, path := range []string{victim, plain} {
		if err := os.WriteFile(path, []byte("theirs, and longer than any figures that are none"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(victim, link); err != nil {
		t.Fatal(err)
	}
	if err := new(Report).Write(link); err == nil {
		t.Error("a link is followed")
	}
	if text, err := os.ReadFile(victim); err != nil || string(text[:6]) != "theirs" {
		t.Errorf("the file that it leads to: %q, %v", text, err)
	}
	if err := new(Report).Write(plain); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(plain); err != nil || text[0] != '{' || text[len(text)-2] != '}' {
		t.Errorf("the file of figures: %q, %v", text, err)
	}
}
