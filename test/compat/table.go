package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// compatibilityPage has what the clients and Kafka's own tools were seen to do.
const compatibilityPage = "docs/compatibility.md"

// pageSections are those of the report that the page shows.
var pageSections = []string{"client", "stock tools"}

// checkPage holds the page against a run that was complete, in what the page shows; or writes it. Without such a run there is nothing to say.
func (e *env) checkPage(selected []row) error {
	if e.kind() != "gokafka" {
		return nil
	}
	for _, r := range rows() {
		i := slices.IndexFunc(selected, func(s row) bool { return s.name == r.name })
		if slices.Contains(pageSections, r.section) && (i < 0 || len(selected[i].selected) != len(r.scenarios)) {
			return nil
		}
	}
	table, err := e.report.page(selected)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(compatibilityPage)
	if err != nil {
		return err
	}
	before, rest, ok1 := strings.Cut(string(text), "<!-- clients -->\n")
	was, after, ok2 := strings.Cut(rest, "<!-- /clients -->\n")
	switch {
	case !ok1 || !ok2:
		return errors.New(compatibilityPage + " has lost its marks")
	case was == table:
		return nil
	case !e.rewrite:
		return fmt.Errorf("%s is not what this run has seen: make compat COMPAT_FLAGS=-rewrite", compatibilityPage)
	}
	return os.WriteFile(compatibilityPage, []byte(before+"<!-- clients -->\n"+table+"<!-- /clients -->\n"+after), 0o644)
}

// page makes the tables, which have clients as columns: there are fewer of them than scenarios.
func (r *report) page(selected []row) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, name := range pageSections {
		i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
		scenarios := sections[i].scenarios
		var of []row
		for _, row := range selected {
			if row.section == name {
				of = append(of, row)
			}
		}
		fmt.Fprintf(&b, "\n| %s | %s |\n|---%s|\n", name, strings.Join(scenarios, " | "), strings.Repeat("|:-:", len(scenarios)))
		for _, row := range of {
			fmt.Fprintf(&b, "| %s |", row.name)
			for _, s := range scenarios {
				cell := "·"
				if res, ok := r.results[row.name][s]; ok && res.verdict == failedVerdict {
					return "", fmt.Errorf("%s/%s has failed: %s stays as it is", row.name, s, compatibilityPage)
				} else if ok && res.verdict == passed {
					cell = "✓"
				}
				fmt.Fprintf(&b, " %s |", cell)
			}
			b.WriteString("\n")
		}
	}
	b.WriteString("\n")
	return b.String(), nil
}
