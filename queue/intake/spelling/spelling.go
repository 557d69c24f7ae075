// Package spelling finds the word that somebody meant who wrote another one, so that an error can name it. It must
// never decide anything: a word that is not known stays unknown, however close it comes.
package spelling

// most is in how many letters two words may differ at most: further apart, a guess helps nobody.
const most = 2

// Closest is the known word that differs from word the least, "" if all are too far. Short words may differ less: a
// third of the letters at most. Among equals the first one counts.
func Closest(word string, known []string) string {
	best, meant := min(most, len(word)/3)+1, ""
	for _, candidate := range known {
		if d := distance(word, candidate); d < best {
			best, meant = d, candidate
		}
	}
	return meant
}

// distance is how many bytes must be put in, taken out, replaced or swapped with their neighbours to make b of a
// (Damerau and Levenshtein, each byte moved once). Far apart lengths are told early.
func distance(a, b string) int {
	if d := len(a) - len(b); d > most || d < -most {
		return most + 1
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		row, above, twoAbove := rows[i%3], rows[(i+2)%3], rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := above[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(replaced, above[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], twoAbove[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}
