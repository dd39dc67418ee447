package tools

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// fixed shows a number with so many decimals, as Java's format does.
func fixed(f float64, decimals int) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return strconv.FormatFloat(f, 'f', decimals, 64)
}

// simpleDate shows a time in the letters of java.text.SimpleDateFormat.
func simpleDate(pattern string, t time.Time) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(pattern); {
		c := pattern[i]
		switch {
		case strings.HasPrefix(pattern[i:], "''"): // stands for one, within quotes and without
			b.WriteByte('\'')
			i += 2
			continue
		case c == '\'':
			quoted = !quoted
			i++
			continue
		case quoted:
			b.WriteByte(c)
			i++
			continue
		}
		n := 1
		for i+n < len(pattern) && pattern[i+n] == c {
			n++
		}
		b.WriteString(dateField(c, n, pattern[i:i+n], t))
		i += n
	}
	return b.String()
}

// dateField shows the field that a letter, n times, stands for.
func dateField(letter byte, n int, text string, t time.Time) string {
	number := func(v int) string {
		s := strconv.Itoa(v)
		return strings.Repeat("0", max(0, n-len(s))) + s
	}
	named := func(layout, short string) string {
		if n >= 4 {
			return t.Format(layout)
		}
		return t.Format(short)
	}
	switch letter {
	case 'y', 'Y', 'u':
		if n == 2 && letter != 'u' {
			return t.Format("06")
		}
		return number(t.Year())
	case 'M', 'L':
		if n >= 3 {
			return named("January", "Jan")
		}
		return number(int(t.Month()))
	case 'd':
		return number(t.Day())
	case 'D':
		return number(t.YearDay())
	case 'E':
		return named("Monday", "Mon")
	case 'a':
		return t.Format("PM")
	case 'H':
		return number(t.Hour())
	case 'k':
		return number((t.Hour()+23)%24 + 1)
	case 'K':
		return number(t.Hour() % 12)
	case 'h':
		return number((t.Hour()+11)%12 + 1)
	case 'm':
		return number(t.Minute())
	case 's':
		return number(t.Second())
	case 'S':
		return number(t.Nanosecond() / 1e6)
	case 'z':
		return t.Format("MST")
	case 'Z':
		return t.Format("-0700")
	case 'X':
		return t.Format([]string{"Z07", "Z0700", "Z07:00"}[min(n, 3)-1])
	}
	return text
}
