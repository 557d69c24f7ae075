package api

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// The page has the styles that its policy names, and nothing else that a browser would obey.
func TestThePolicyOfThePage(t *testing.T) {
	t.Parallel()
	d := ask(t, doorOfNothing(t), http.MethodGet, "/docs")
	page, policy := d.Body.String(), d.Header().Get("Content-Security-Policy")
	if strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "script-src") {
		t.Errorf("policy %s", policy)
	}
	styles := regexp.MustCompile(`(?s)<style[^>]*>(.*?)</style>`).FindAllStringSubmatch(page, -1)
	if len(styles) != 1 || strings.Count(page, "<style") != 1 {
		t.Errorf("%d styles", len(styles))
	}
	for _, style := range styles {
		sum := sha256.Sum256([]byte(style[1]))
		if !strings.Contains(policy, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
			t.Errorf("the policy %s does not name the style %s", policy, style[1])
		}
	}
	for _, obeyed := range []string{`(?i)<script`, `(?i)\sstyle\s*=`, `(?i)<[^>]*\son[a-z]+\s*=`, `(?i)<(link|img|iframe|object|embed|base|form|meta http)`, `(?i)\ssrc\s*=`, `(?i)javascript:`} {
		if found := regexp.MustCompile(obeyed).FindString(page); found != "" {
			t.Errorf("the page has %q", found)
		}
	}
}
