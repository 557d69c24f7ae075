package registrar

import (
	"fmt"
	"net/url"
	"strings"
)

func checkPath(name, path, placeholder string) error {
	filled := path
	if placeholder != "" {
		if strings.Count(path, placeholder) != 1 {
			return fmt.Errorf("%s path %q must hold %s exactly once, as in %s", name, path, placeholder, "/some/"+placeholder)
		}
		filled = strings.Replace(path, placeholder, "x", 1)
	}
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
		return fmt.Errorf("%s path %q must begin with one slash: it is joined to the base URL", name, path)
	}
	if strings.ContainsAny(filled, "{}# ") || hasControl(filled) {
		return fmt.Errorf("%s path %q holds a space, a fragment or a placeholder that it cannot take", name, path)
	}
	if _, err := url.Parse(filled); err != nil {
		return fmt.Errorf("%s path %q is not a valid path: check its percent signs", name, path)
	}
	return nil
}

// fillPath puts value in place of placeholder, escaped for where it stands.
func fillPath(path, placeholder, value string) string {
	before, after, _ := strings.Cut(path, placeholder)
	if strings.Contains(before, "?") {
		return before + url.QueryEscape(value) + after
	}
	return before + url.PathEscape(value) + after
}
