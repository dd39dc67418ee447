package argparse

import (
	"fmt"
	"io"
	"strings"
)

// Widths of argparse4j's help.
const (
	width      = 75
	helpColumn = 25
)

// Print writes the error as argparse4j does: the usage, then the message.
func (e *Error) Print(w io.Writer) {
	io.WriteString(w, e.Parser.usage()+wrap(fmt.Sprintf("%s: error: %s\n", e.Parser.prog, e.Message), 0, ""))
}

// PrintHelp writes the help of the tool or the subcommand.
func (p *Parser) PrintHelp(w io.Writer) {
	var b strings.Builder
	b.WriteString(p.usage())
	if p.description != "" {
		b.WriteString("\n" + wrap(p.description, 0, "") + "\n")
	}
	if len(p.commands) > 0 && p.title == "" {
		b.WriteString("\npositional arguments:\n")
		p.explainCommands(&b)
	}
	b.WriteString("\noptional arguments:\n")
	for _, a := range p.arguments {
		if !a.group.separate() {
			explain(&b, a.display(), a.help)
		}
	}
	if len(p.commands) > 0 && p.title != "" {
		b.WriteString("\n" + p.title + ":\n")
		p.explainCommands(&b)
	}
	for _, g := range p.groups {
		if !g.separate() {
			continue
		}
		b.WriteString("\n")
		if g.title != "" {
			b.WriteString(g.title + ":\n")
		}
		if g.description != "" {
			b.WriteString("  " + wrap(g.description, 2, "  ") + "\n\n")
		}
		for _, a := range g.arguments {
			explain(&b, a.display(), a.help)
		}
	}
	io.WriteString(w, b.String())
}

func (p *Parser) explainCommands(b *strings.Builder) {
	explain(b, p.choices(), "")
	for _, c := range p.commands {
		explain(b, "  "+c.name, c.help)
	}
}

// choices is how usage and help call the subcommands.
func (p *Parser) choices() string {
	if p.metavar != "" {
		return p.metavar
	}
	names := make([]string, len(p.commands))
	for i, c := range p.commands {
		names[i] = c.name
	}
	return "{" + strings.Join(names, ",") + "}"
}

// explain writes an entry of two columns. A long name has the line for itself.
func explain(b *strings.Builder, name, help string) {
	b.WriteString("  " + name)
	if help != "" {
		if len(name) <= helpColumn-4 {
			b.WriteString(strings.Repeat(" ", helpColumn-2-len(name)))
		} else {
			b.WriteString("\n" + strings.Repeat(" ", helpColumn))
		}
		b.WriteString(wrap(help, helpColumn, strings.Repeat(" ", helpColumn)))
	}
	b.WriteString("\n")
}

// value is the option's value in usage and help; "" when it takes none.
func (a *Argument) value() string {
	name := a.metavar
	if name == "" {
		name = strings.ToUpper(strings.ReplaceAll(strings.TrimLeft(a.long(), "-"), "-", "_"))
	}
	switch a.kind {
	case StoreTrue:
		return ""
	case Many:
		return " " + name + " [" + name + " ...]"
	}
	return " " + name
}

// long is the first long name, after which a value is called.
func (a *Argument) long() string {
	for _, f := range a.flags {
		if strings.HasPrefix(f, "--") {
			return f
		}
	}
	return a.flags[0]
}

// display is the left column of the help.
func (a *Argument) display() string {
	names := make([]string, len(a.flags))
	for i, f := range a.flags {
		names[i] = f + a.value()
	}
	return strings.Join(names, ", ")
}

// usage is "usage: prog [-h] …", in lines.
func (p *Parser) usage() string {
	head := "usage: " + p.prog
	indent := strings.Repeat(" ", len(head))
	var b strings.Builder
	b.WriteString(head)
	line, first := len(head), true
	if len(head) > len("usage: ")+23 { // argparse4j's limit for a name beside its options
		indent = strings.Repeat(" ", 6)
		b.WriteString("\n" + indent)
		line = len(indent)
	}
	for _, part := range p.parts() {
		if !first && line+1+len(part) > width {
			b.WriteString("\n" + indent)
			line = len(indent)
		}
		b.WriteString(" " + part)
		line += 1 + len(part)
		first = false
	}
	return b.String() + "\n"
}

// parts are what the usage consists of; each stays on its line.
func (p *Parser) parts() []string {
	var parts []string
	if p.above != nil { // what is required before the subcommand
		for _, a := range p.above.arguments {
			if a.required && (a.group == nil || !a.group.exclusive) {
				parts = append(parts, a.flags[0]+a.value())
			}
		}
		for _, g := range p.above.groups {
			if g.exclusive && g.required {
				parts = append(parts, g.parts()...)
			}
		}
		parts = append(parts, p.name)
	}
	for _, a := range p.arguments {
		switch {
		case a.group != nil && a.group.exclusive:
		case a.required:
			parts = append(parts, a.flags[0]+a.value())
		default:
			parts = append(parts, "["+a.flags[0]+a.value()+"]")
		}
	}
	for _, g := range p.groups {
		if g.exclusive {
			parts = append(parts, g.parts()...)
		}
	}
	if len(p.commands) > 0 {
		parts = append(parts, p.choices(), "...")
	}
	return parts
}

func (g *Group) parts() []string {
	left, right := "[", "]"
	if g.required {
		left, right = "(", ")"
	}
	parts := make([]string, len(g.arguments))
	for i, a := range g.arguments {
		parts[i] = a.flags[0] + a.value()
		if i == 0 {
			parts[i] = left + parts[i]
		}
		if i < len(g.arguments)-1 {
			parts[i] += " |"
		} else {
			parts[i] += right
		}
	}
	return parts
}

// wrap breaks a text into lines of the help's width, justified: argparse4j widens the spaces of all lines but the last of a paragraph. The first line begins
// at column, the others with indent.
func wrap(text string, column int, indent string) string {
	var out, line strings.Builder
	at := column
	for _, word := range words(text) {
		at += len(word)
		if at > width {
			out.WriteString(justify(line.String(), at-len(word)) + "\n" + indent)
			line.Reset()
			at = len(indent) + len(word)
		}
		line.WriteString(word)
		if strings.HasSuffix(word, "\n") {
			out.WriteString(line.String() + indent)
			line.Reset()
			at = len(indent)
		}
	}
	return out.String() + line.String()
}

// justify widens the gaps of a line that ends at column end, those in the middle first.
func justify(line string, end int) string {
	trimmed := strings.TrimRight(line, " ")
	end -= len(line) - len(trimmed)
	fields := strings.Fields(trimmed)
	gaps := len(fields) - 1
	if gaps < 1 {
		return trimmed
	}
	each, more := (width-end)/gaps, (width-end)%gaps
	from := (gaps - more + 1) / 2
	var b strings.Builder
	b.WriteString(fields[0])
	for i, f := range fields[1:] {
		spaces := 1 + each
		if i >= from && i < from+more {
			spaces++
		}
		b.WriteString(strings.Repeat(" ", spaces) + f)
	}
	return b.String()
}

// words splits a text where Java breaks lines: behind spaces and newlines, behind hyphens, and behind a full stop before a letter.
func words(text string) []string {
	var all []string
	start := 0
	for i := 0; i+1 < len(text); i++ {
		c, next := text[i], text[i+1]
		switch {
		case c == '\n':
		case c == ' ' && next != ' ' && next != '\n':
		case c == '-' && isLetter(next):
		case c == '.' && isLetter(next):
		default:
			continue
		}
		all = append(all, text[start:i+1])
		start = i + 1
	}
	if start < len(text) {
		all = append(all, text[start:])
	}
	return all
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
