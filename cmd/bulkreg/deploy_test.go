package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every image that deploy/ names is pinned by its digest, but for our own, which whoever builds it names.
func TestImagesArePinned(t *testing.T) {
	t.Parallel()
	image := regexp.MustCompile(`(?m)^\s*(?:- )?(?:FROM(?: --platform=\S+)?|image:) +"?([^\s"]+)`)
	pinned := regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)
	found := 0
	err := fs.WalkDir(os.DirFS(filepath.Join("..", "..", "deploy")), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join("..", "..", "deploy", path))
		if err != nil {
			return err
		}
		for _, match := range image.FindAllStringSubmatch(string(text), -1) {
			found++
			if own := strings.HasPrefix(match[1], "bulkreg") || strings.Contains(match[1], "/bulkreg:"); !own && !pinned.MatchString(match[1]) {
				t.Errorf("deploy/%s names %s without its digest", path, match[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 3 {
		t.Errorf("found %d images in deploy/, want those of the Dockerfile and of the scheduled check at least", found)
	}
}
