package jopt

import (
	"io"
	"slices"
	"strings"
)

// Widths of jopt-simple's help in Kafka's tools.
const (
	helpWidth     = 80
	columnGap     = 2
	helpIndention = "  "
)

type row struct{ option, description string }

// PrintHelp writes all options, by the alphabet, in two columns.
func (p *Parser) PrintHelp(w io.Writer) error {
	head := []row{{"Option", "Description"}, {"------", "-----------"}}
	if slices.ContainsFunc(p.options, func(o *Option) bool { return o.required }) {
		head = []row{{"Option (* = required)", "Description"}, {"---------------------", "-----------"}}
	}
	options := slices.DeleteFunc(slices.Clone(p.options), func(o *Option) bool { return o.hidden })
	slices.SortFunc(options, func(a, b *Option) int { return strings.Compare(a.Name(), b.Name()) })
	rows := head
	for _, o := range options {
		rows = append(rows, row{o.display(), o.explain()})
	}
	optionWidth, descriptionWidth := widths(rows)
	var fitted []row
	for _, r := range rows {
		left, right := fold(r.option, optionWidth), fold(r.description, descriptionWidth)
		for i := range max(len(left), len(right)) {
			fitted = append(fitted, row{at(left, i), at(right, i)})
		}
	}
	optionWidth, descriptionWidth = widths(fitted)
	var b strings.Builder
	for _, r := range fitted {
		b.WriteString(pad(r.option, optionWidth) + strings.Repeat(" ", columnGap) + pad(r.description, descriptionWidth) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// display is the left column: names and argument.
func (o *Option) display() string {
	names := make([]string, len(o.names))
	for i, n := range o.names {
		names[i] = "--" + n
		if len(n) == 1 {
			names[i] = "-" + n
		}
	}
	text := strings.Join(names, ", ")
	if o.required {
		text = "* " + text
	}
	inner := string(o.kind)
	if o.describedAs != "" {
		inner += ": " + o.describedAs
	}
	switch o.argument {
	case requiredArgument:
		text += " <" + inner + ">"
	case optionalArgument:
		text += " [" + inner + "]"
	}
	return text
}

// explain is the right column: description and default.
func (o *Option) explain() string {
	switch len(o.defaults) {
	case 0:
		return o.description
	case 1:
		return strings.TrimSpace(o.description + " (default: " + o.defaults[0] + ")")
	}
	return strings.TrimSpace(o.description + " (default: [" + strings.Join(o.defaults, ", ") + "])")
}

func widths(rows []row) (option, description int) {
	for _, r := range rows {
		option, description = max(option, len(r.option)), max(description, len(r.description))
	}
	option = min((helpWidth-columnGap)/2, option)
	return option, min(helpWidth-option-columnGap, description)
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

func pad(s string, width int) string { return s + strings.Repeat(" ", max(0, width-len(s))) }

// fold breaks text into lines of at most width bytes where it can; all but the first of a paragraph are indented.
func fold(text string, width int) []string {
	var lines []string
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		line := ""
		for _, word := range words(paragraph) {
			if len(line)+len(word) > width {
				lines = append(lines, strings.TrimRight(line, " \t"))
				line = helpIndention
			}
			line += word
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}
