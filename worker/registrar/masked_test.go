package registrar

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

func TestCleanHidesCoveredLetters(t *testing.T) {
	t.Parallel()
	wantRespelledHidden(t, "Gij***rt", "G*jsb*rt", "Gijs*ert", "Groe•••••en", "G██████n", "Gijs****", "****bert", "+31*****3210", "L*fèvre", "Gij$bert", "Gr0en€wegen",
		"Gij___rt", "Gijs_ert", "Gij..ert", "Groe…egen", "Groe...egen", "Gijs?ert", "Gijs\uFFFDert", "Gr####en", "Gro--egen", "Groxxxxxxen", "GROXXXXXXEN", "Yıl~ırım", "Gij%2A%2A%2Art", "Gij&#42;&#42;rt")
	wantReadable(t, "**Note**: select count(*) from *.nl", "fields with * are required**", "it costs 5*3 = 15$, or €15, US$5", "wait...then try again", "holder_name, postal_code and __init__", "see /path?query=1#part",
		"a--b", "first_name..last_name", "see https://example.com/a_b_c?x=y", "gij_x", "C:\\dir_name", "12_000", "xxx", "domain~1")
	s := newScrubber(testSecret)
	if got := s.clean("gij--ert.nl is taken, gij--ert.com is not", personalOf(respelled(), "gij--ert.nl")()); got != "gij--ert.nl is taken, [personal].com is not" {
		t.Errorf("beside a domain that is ordered: %q", got)
	}
}

func TestCleanHidesWhatIsSpelledOut(t *testing.T) {
	t.Parallel()
	wantRespelledHidden(t, "nul twee nul, zes vijf vier drie twee een nul", "zero-two-zero six five four three", "golf romeo oscar echo november", "Gerard Rudolf Otto Eduard Nico", "&#110;ul twee nul zes vijf vier")
	wantReadable(t, "one or two of three", "one, two, three, four, five", "India Hotel Golf", "zero errors")
}

func TestCleanHidesWordsOfMail(t *testing.T) {
	t.Parallel()
	b64 := func(s string) string { return "=?UTF-8?B?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?=" }
	wantRespelledHidden(t, b64("Groenewegen"), b64("Gijs")+" "+b64("bert"), b64("Groe")+"\r\n "+b64("newegen"), "=?utf-8?Q?Gijs?= =?utf-8?Q?bert?=", "=?iso-8859-1?q?Lef=E8vre?=", "=?utf-8?Q?Lef=C3?= =?utf-8?Q?=A8vre?=",
		"=?utf-8?Q?=47=69=6A=73=62=65=72=74?=", "=47=69=6a=73=62=65=72=74")
	wantReadable(t, "a=?b", "=?utf-8?X?abc?=", "is it =?", "=?a?b?c?=")
}

func TestCleanHidesOtherNumbersOfLetters(t *testing.T) {
	t.Parallel()
	row := func(text, format, between string) string {
		var all []string
		for _, r := range text {
			all = append(all, fmt.Sprintf(format, r))
		}
		return strings.Join(all, between)
	}
	for _, name := range []string{"Groenewegen", "Lefèvre", "Yıldırım"} {
		wantRespelledHidden(t, row(name, `\x{%x}`, ""), row(name, `\o{%o}`, ""), row(name, `\N{U+%04X}`, ""), row(name, `\u{%06x}`, ""), row(name, "%c", "&#0;"))
	}
	wantRespelledHidden(t, row("Groenewegen", "U+%04X U+200B", " "), row("Gro...gen", "chr(%d)", "."), row("Gij***rt", "%02x", " "), row("Lefèv", "U+%04X", " "), row("Groenewegen", "x%02x", " "), "4772 6f65 6e65 7765 6765 6e", "7-18-15-5-14-5-23-5-7-5-14", "7, 9, 10, 19, 2, 5, 18, 20", `Gijs\e[31mbert`, `Gijs\x1b[0mbert`)
	got := newScrubber(testSecret).clean(hex.Dump([]byte("Groenewegen")), personalOf(respelled())())
	if got != "00000000 [personal] |[personal]|" {
		t.Errorf("a dump became %q", got)
	}
	wantReadable(t, "on 2026 1127 0420 1500", "5, 10, 15, 20, 25", "1.2.3.4.5", "1/2/3/4/5/6", "00112233 44556677 8899aabb")
}

func TestCleanHidesLettersOfOtherShapes(t *testing.T) {
	t.Parallel()
	wantRespelledHidden(t, "uǝƃǝʍǝuǝoɹƃ", "ʇɹǝqsɾᴉƃ", "Gɨjsƀerŧ", "Grøɇnɇwɇǥɇn", "Ɠijsɓerƭ", "Grɔənəwəɡən", "⠛⠗⠕⠑⠝⠑⠺⠑⠛⠑⠝", "GIJSBERT⠛", "Yrsèier", "Tebrarjrtra", "Lefrnèvre"[:3]+"èvre", "Roeiofarendsveen", "RoeIofarendsveen", "Groenevvegen",
		"2371Â BC")
	wantReadable(t, "MÂ vu", "µs, ± and ⌀")
}
