package registrar

import (
	"bytes"
	"regexp"
)

// tagPattern knows what is put between letters without being seen as one: tags and comments of HTML, those of bulletin boards, and
// the colours of terminals, whose escape character is gone by then.
var tagPattern = regexp.MustCompile(`(?s)<!--.*?-->|<[/!]?[A-Za-z][^<>]{0,300}>|\[/?[A-Za-z]{1,10}(?:=[^\[\]]{0,40})?\]|\[[0-9;]{0,12}m`)

// untagged is a text without its tags, and where in the original they stand. What stood around a tag stands side by side.
func (v view) untagged() (bare view, tags [][2]int) {
	if bytes.IndexByte(v.text, '<') < 0 && bytes.IndexByte(v.text, '[') < 0 {
		return v, nil
	}
	bare = view{text: make([]byte, 0, len(v.text)), at: make([]int, 0, len(v.at))}
	end := 0
	for _, tag := range tagPattern.FindAllIndex(v.text, -1) {
		bare.text, bare.at = append(bare.text, v.text[end:tag[0]]...), append(bare.at, v.at[end:tag[0]]...)
		tags = append(tags, [2]int{v.at[tag[0]], v.at[tag[1]]})
		end = tag[1]
	}
	bare.text, bare.at = append(bare.text, v.text[end:]...), append(bare.at, v.at[end:]...)
	return bare, tags
}

// addInside adds what was marked in a text without its tags. A tag that only stands behind it stays.
func addInside(mask, inside []bool, tags [][2]int) {
	for i := len(tags) - 1; i >= 0; i-- {
		if from, to := tags[i][0], tags[i][1]; to == len(inside) || !inside[to] {
			clear(inside[from:to])
		}
	}
	for i, marked := range inside {
		mask[i] = mask[i] || marked
	}
}
