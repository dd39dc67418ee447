package jopt

import "strings"

// place is what the last characters of a line mean for a break behind them.
type place int

const (
	atStart     place = iota // of a word: nothing but quotes and opening brackets so far
	inWord                   // letters and most signs
	inNumber                 // a word of digits
	behindPoint              // a number and one "." or ","
	behindMark               // a sentence's sign or closing bracket behind a word
	behindQuote              // an apostrophe: it breaks on neither side
	firstHyphen              // one that begins a word
	hyphens
	inSpace
	behindTab
)

const (
	opening = "([{"
	closing = `.,:;!?%")]}`
)

// words splits a line where Java's line breaks may be, which is where jopt-simple breaks its help: behind spaces, hyphens and the signs of a sentence, and
// before opening brackets; not within numbers.
func words(line string) []string {
	var all []string
	start, at := 0, atStart
	for i := range len(line) {
		var breaks bool
		breaks, at = at.next(line[i], i+1 < len(line) && isDigit(line[i+1]))
		if breaks && i > 0 {
			all = append(all, line[start:i])
			start = i
		}
	}
	if start < len(line) {
		all = append(all, line[start:])
	}
	return all
}

// next says whether a line may break before c, and where it is behind c. digit is whether a digit comes next.
func (p place) next(c byte, digit bool) (breaks bool, _ place) {
	switch {
	case c == ' ':
		return p == behindTab, inSpace
	case c == '\t':
		return p == behindTab, behindTab
	}
	switch p {
	case inSpace, behindTab:
		return true, begin(c)
	case atStart:
		return false, begin(c)
	case firstHyphen:
		if isDigit(c) || strings.IndexByte(opening, c) >= 0 {
			return false, begin(c)
		}
		return hyphens.next(c, digit)
	case hyphens:
		if c == '-' || c == '\'' || c == '$' {
			return false, hyphens
		}
		return true, begin(c)
	case behindQuote:
		return false, inside(c, false)
	case behindPoint:
		if isDigit(c) {
			return false, inNumber
		}
		fallthrough
	case behindMark:
		if strings.IndexByte(closing, c) >= 0 {
			return false, behindMark
		}
		if c == '\'' {
			return false, behindQuote
		}
		return true, begin(c)
	case inNumber:
		if digit && (c == '.' || c == ',') {
			return false, behindPoint
		}
	}
	return strings.IndexByte(opening, c) >= 0, inside(c, p == inNumber)
}

// begin is where a line is behind the first character of a word.
func begin(c byte) place {
	switch {
	case c == '-':
		return firstHyphen
	case c == '"', c == '\'', c == '$', strings.IndexByte(opening, c) >= 0:
		return atStart
	}
	return inside(c, true)
}

// inside is where a line is behind a character within a word.
func inside(c byte, number bool) place {
	switch {
	case c == '-':
		return hyphens
	case c == '\'':
		return behindQuote
	case strings.IndexByte(closing, c) >= 0:
		return behindMark
	case strings.IndexByte(opening, c) >= 0:
		return atStart
	case isDigit(c) && number:
		return inNumber
	}
	return inWord
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
