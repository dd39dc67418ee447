package main

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

type verdict int

const (
	passed verdict = iota
	skipped
	failedVerdict
)

// result is the outcome of one client × scenario.
type result struct {
	verdict verdict
	took    time.Duration
	why     string
}

// report collects results; safe for concurrent use.
type report struct {
	mu      sync.Mutex
	results map[string]map[string]result // by row and scenario
}

func newReport() *report { return &report{results: map[string]map[string]result{}} }

// add notes a result and prints it at once when it is a failure, so that a long run tells early.
func (r *report) add(row, scenario string, res result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.results[row] == nil {
		r.results[row] = map[string]result{}
	}
	r.results[row][scenario] = res
	if res.verdict == failedVerdict {
		fmt.Printf("FAIL %s/%s (%.1f s): %s\n", row, scenario, res.took.Seconds(), res.why)
	}
}

func (r *report) has(row, scenario string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.results[row][scenario]
	return ok
}

// print writes a table per section, then what was skipped and what failed.
// A cell is the seconds it took, FAIL, "skip", or "·" for what the row does not have.
func (r *report) print(rows []row) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range sections {
		var of []row
		for _, row := range rows {
			if row.section == s.name {
				of = append(of, row)
			}
		}
		if len(of) > 0 {
			r.table(s, of)
		}
	}
	var skips, fails []string
	for _, row := range rows {
		n, why := 0, ""
		for _, scenario := range row.selected {
			if res := r.results[row.name][scenario]; res.verdict == skipped && (why == "" || why == res.why) {
				n, why = n+1, res.why
			}
		}
		if n > 1 && n == len(row.selected) {
			skips = append(skips, fmt.Sprintf("  %s: %s", row.name, why))
			continue
		}
		for _, scenario := range row.selected {
			switch res := r.results[row.name][scenario]; res.verdict {
			case skipped:
				skips = append(skips, fmt.Sprintf("  %s/%s: %s", row.name, scenario, res.why))
			case failedVerdict:
				fails = append(fails, fmt.Sprintf("  %s/%s: %s", row.name, scenario, res.why))
			}
		}
	}
	if len(skips) > 0 {
		fmt.Println("\nSkipped, because the client cannot do it whatever the broker, or this broker is not meant to:")
		fmt.Println(strings.Join(skips, "\n"))
	}
	if len(fails) > 0 {
		fmt.Println("\nFailed:")
		fmt.Println(strings.Join(fails, "\n"))
	}
	fmt.Println()
}

func (r *report) table(s section, rows []row) {
	var columns []string
	for _, c := range s.scenarios {
		for _, row := range rows {
			if _, ok := r.results[row.name][c]; ok {
				columns = append(columns, c)
				break
			}
		}
	}
	first := len(s.name)
	for _, row := range rows {
		first = max(first, len(row.name))
	}
	fmt.Printf("\n%-*s", first, s.name)
	for _, c := range columns {
		fmt.Printf(" %*s", max(4, len(c)), c)
	}
	fmt.Println()
	for _, row := range rows {
		fmt.Printf("%-*s", first, row.name)
		for _, c := range columns {
			cell := "·"
			if res, ok := r.results[row.name][c]; ok {
				cell = [...]string{fmt.Sprintf("%.1f", res.took.Seconds()), "skip", "FAIL"}[res.verdict]
			}
			fmt.Printf(" %*s", max(4, len(c)), cell)
		}
		fmt.Println()
	}
}

// count is the number of results by verdict.
func (r *report) count() (n [3]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, results := range r.results {
		for _, res := range results {
			n[res.verdict]++
		}
	}
	return n
}

// printTotals prints the closing line, which CI reads.
func (r *report) printTotals() {
	n := r.count()
	fmt.Printf("%d passed, %d failed, %d skipped\n", n[passed], n[failedVerdict], n[skipped])
}
