package session

import (
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgservicefile"
)

// File is what the driver reads while it reads an address, by the setting that names it.
type File struct{ Setting, Path string }

// maxFile bounds such a file, in bytes: the authorities of a whole system take some two hundred thousand.
const maxFile = 1 << 20

// fileSettings are those that name files, in the order in which the driver reads them. The environment has them as PGPASSFILE and so on.
func fileSettings() []string {
	return []string{"servicefile", "sslrootcert", "sslkey", "sslcert", "passfile"}
}

// Files are those that the driver reads for an address, whether it names them itself, or the environment, a service or the driver's own
// defaults do. They need not be there.
func Files(address string) []File {
	files, _ := filesOf(address)
	return files
}

// filesOf is Files, and why one of them cannot be used. A service file is read here, too: what is wrong with it comes first.
func filesOf(address string) ([]File, *RefusedError) {
	own, others := settingsIn(address), byDefault()
	for _, name := range append(fileSettings(), "service") {
		if value := os.Getenv("PG" + strings.ToUpper(name)); value != "" {
			others[name] = value
		}
	}
	all := merged(others, own)
	if name, ok := all["service"]; ok {
		service := File{"servicefile", all["servicefile"]}
		if refused := service.refusal(); refused != nil {
			return []File{service}, refused
		}
		all = merged(others, settingsOf(service.Path, name), own)
	} else {
		delete(all, "servicefile") // nobody reads it
	}
	var files []File
	for _, name := range fileSettings() {
		if path := all[name]; path != "" && (name != "sslrootcert" || path != "system") {
			files = append(files, File{name, path})
		}
	}
	for _, file := range files {
		if refused := file.refusal(); refused != nil {
			return files, refused
		}
	}
	return files, nil
}

// merged are settings of which later ones count for more.
func merged(all ...map[string]string) map[string]string {
	into := map[string]string{}
	for _, settings := range all {
		maps.Copy(into, settings)
	}
	return into
}

// byDefault is where the driver looks for files that nothing names.
func byDefault() map[string]string {
	home, err := os.UserHomeDir()
	if err != nil {
		return map[string]string{}
	}
	within := func(parts ...string) string { return filepath.Join(append([]string{home}, parts...)...) }
	return map[string]string{
		"passfile": within(".pgpass"), "servicefile": within(".pg_service.conf"), "sslrootcert": within(".postgresql", "root.crt"),
		"sslcert": within(".postgresql", "postgresql.crt"), "sslkey": within(".postgresql", "postgresql.key"),
	}
}

// settingsOf are those of a service, none if it cannot be read: the driver says so.
func settingsOf(path, name string) map[string]string {
	services, err := pgservicefile.ReadServicefile(path)
	if err != nil {
		return nil
	}
	service, err := services.GetService(name)
	if err != nil {
		return nil
	}
	return service.Settings
}

// refusal says why a file cannot be used: the driver opens whatever stands there, and a pipe may never give anything, and a device never
// end. What is not there, or cannot be looked at, is for the driver to judge. What holds nothing, for ever, is a way to name no file.
func (f File) refusal() *RefusedError {
	info, err := os.Stat(f.Path)
	if err != nil || f.Path == os.DevNull {
		return nil
	}
	what := "larger than 1 MiB"
	switch mode := info.Mode(); {
	case mode.IsRegular() && info.Size() <= maxFile:
		return nil
	case mode.IsRegular():
	case mode.IsDir():
		what = "a folder"
	case mode&fs.ModeNamedPipe != 0:
		what = "a pipe"
	case mode&fs.ModeDevice != 0:
		what = "a device"
	default:
		what = "no regular file"
	}
	return f.Refused("is " + what + "; give a regular file")
}

// Refused says that a file cannot be used, and where its name may come from.
func (f File) Refused(why string) *RefusedError {
	return &RefusedError{f.Setting, fmt.Sprintf("the file %s %s (the setting may also come from PG%s, a service or the home folder)",
		shown(f.Path), why, strings.ToUpper(f.Setting))}
}

// settingsIn are those of an address, read as the driver reads it: in one that it cannot read, it looks for no files.
func settingsIn(address string) map[string]string {
	for _, scheme := range []string{"postgres://", "postgresql://"} {
		if rest, ok := strings.CutPrefix(address, scheme); ok {
			return settingsInURL(rest)
		}
	}
	settings := map[string]string{}
	for {
		key, rest, ok := strings.Cut(address, "=")
		if !ok {
			return settings
		}
		settings[strings.Trim(key, spaces)], address = firstWord(strings.TrimLeft(rest, spaces))
	}
}

// spaces are what stands between the settings of an address that is no URL.
const spaces = " \t\n\r\v\f"

// firstWord is the value that a text begins with, in quotes or not, and what is left of the text.
func firstWord(text string) (value, rest string) {
	text, quoted := strings.CutPrefix(text, "'")
	var word strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			if i++; i < len(text) {
				word.WriteByte(text[i])
			}
		case quoted && c == '\'', !quoted && strings.IndexByte(spaces, c) >= 0:
			return word.String(), text[i+1:]
		default:
			word.WriteByte(c)
		}
	}
	return word.String(), ""
}

// settingsInURL are those of a URL behind its scheme. A user's name and password may hold a question mark.
func settingsInURL(text string) map[string]string {
	if i := strings.IndexAny(text, "@/"); i >= 0 && text[i] == '@' {
		text = text[i+1:]
	}
	settings := map[string]string{}
	_, query, _ := strings.Cut(text, "?")
	for pair := range strings.SplitSeq(query, "&") {
		rawKey, rawValue, _ := strings.Cut(pair, "=")
		key, err := url.PathUnescape(strings.Trim(rawKey, " "))
		value, wrong := url.PathUnescape(strings.Trim(rawValue, " "))
		if err == nil && wrong == nil && slices.Contains(append(fileSettings(), "service"), key) {
			settings[key] = value
		}
	}
	return settings
}
