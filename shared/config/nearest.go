package config

import "strconv"

// didYouMean is a hint with the known name closest to text, or "" when none is close.
func didYouMean(text string, known []string) string {
	size := len([]rune(text))
	best, least := "", (size+1)/3
	for _, name := range known {
		if d := distance(text, name); d <= least && d < size && (best == "" || d < distance(text, best)) {
			best = name
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean " + strconv.Quote(best) + "?"
}

// distance counts insertions, deletions, substitutions and swaps of neighbours
// (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(clipped(a)), []rune(clipped(b))
	before, last, next := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		next[0] = i
		for j := 1; j <= len(y); j++ {
			next[j] = min(last[j]+1, next[j-1]+1, last[j-1]+differs(x[i-1], y[j-1]))
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, last, next = last, next, before
	}
	return last[len(y)]
}

func differs(a, b rune) int {
	if a == b {
		return 0
	}
	return 1
}
