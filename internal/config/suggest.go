package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// nearest returns the key that a name was probably meant to be, "" when none is near.
func nearest(name string) string {
	lower := strings.ToLower(strings.TrimSpace(name))
	best, least := "", len(lower)/4+1 // more changes than that would be another word
	for _, k := range sortedKeys {
		if k.flags&(internal|dynamicOnly) != 0 {
			continue
		}
		if d := distance(lower, strings.ToLower(k.Name), least); d < least {
			best, least = k.Name, d
		}
	}
	if best == "" {
		// A topic's name of a setting that the broker has under another one: retention.ms is log.retention.ms.
		if t, ok := topicByName[lower]; ok && len(t.Synonyms) > 0 {
			return t.Synonyms[0]
		}
	}
	return best
}

// distance is the number of letters to insert, delete, replace or swap to get from a to b (optimal string alignment), or limit when it is more.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}

// typeProblem says in a sentence why text is not a value of the key's type, with a hint when it is clear what was meant.
func typeProblem(k *Key, text string) string {
	trimmed := strings.TrimSpace(text)
	what := map[Type]string{
		TypeBoolean: "neither true nor false", TypeInt: "not an integer", TypeShort: "not an integer", TypeLong: "not an integer", TypeDouble: "not a number",
	}[k.Type]
	if _, err := strconv.ParseInt(trimmed, 10, 64); err == nil && k.Type != TypeBoolean {
		what = map[Type]string{TypeInt: "too large, 2147483647 is the limit", TypeShort: "too large, 32767 is the limit"}[k.Type]
		if strings.HasPrefix(trimmed, "-") {
			what = "too small for a " + k.Type.String()
		}
	}
	problem := fmt.Sprintf("%q is %s", text, what)
	if hint := unitHint(k.Name, trimmed); hint != "" {
		problem += " (" + hint + ")"
	}
	return problem
}

// checkProblem says the same of a value that has the right type but is not allowed.
func checkProblem(text string, bad *failure) string {
	if bad.whole != "" {
		return fmt.Sprintf("%q is not allowed: %s", text, bad.whole)
	}
	return fmt.Sprintf("%q is not allowed: %s", text, strings.ToLower(bad.reason[:1])+bad.reason[1:])
}

var (
	withUnit = regexp.MustCompile(`(?i)^(\d+) *(ms|s|sec|m|min|h|hours?|d|days?|w|weeks?|k|kb|kib|m|mb|mib|g|gb|gib|t|tb|tib)$`)

	unitMs    = map[string]int64{"ms": 1, "s": 1000, "sec": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "hour": 3_600_000, "d": 86_400_000, "day": 86_400_000, "w": 604_800_000, "week": 604_800_000}
	unitBytes = map[string]int64{"k": 1 << 10, "kb": 1 << 10, "kib": 1 << 10, "m": 1 << 20, "mb": 1 << 20, "mib": 1 << 20, "g": 1 << 30, "gb": 1 << 30, "gib": 1 << 30, "t": 1 << 40, "tb": 1 << 40, "tib": 1 << 40}
)

// unitHint says how a value with a unit, "7d" or "1g", is written for a key: Kafka's numbers have none.
func unitHint(key, text string) string {
	m := withUnit.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	n, err := strconv.ParseInt(m[1], 10, 32)
	if err != nil {
		return ""
	}
	unit := strings.ToLower(m[2])
	if strings.HasSuffix(key, ".bytes") {
		if u := unitBytes[unit]; u > 0 {
			return fmt.Sprintf("write %d", n*u)
		}
		return ""
	}
	u := unitMs[strings.TrimSuffix(unit, "s")]
	if unit == "s" || unit == "ms" {
		u = unitMs[unit]
	}
	if u == 0 {
		return ""
	}
	ms := n * u
	for suffix, per := range map[string]int64{".ms": 1, ".seconds": 1000, ".minutes": 60_000, ".hours": 3_600_000} {
		if !strings.HasSuffix(key, suffix) {
			continue
		}
		if ms%per == 0 {
			return fmt.Sprintf("write %d", ms/per)
		}
		base := strings.TrimSuffix(key, suffix) + ".ms"
		if _, ok := byName[base]; ok {
			return fmt.Sprintf("write %s=%d", base, ms)
		}
	}
	return ""
}
