// Package argparse reads command lines as those tools of Apache Kafka do that use the argparse4j library: subcommands, groups of options that exclude each
// other, required options, and errors behind the usage on standard error. It knows what these tools need and no more.
//
// Options are "--name value", "--name=value" and "-n value"; an unambiguous beginning of a long name or of a subcommand stands for the whole, as in Kafka.
// The errors of Parse have argparse4j's words.
package argparse

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ErrHelp is what Parse returns when the help was asked for. Kafka's tools then print it and end, some with status 0 and some with 1.
var ErrHelp = errors.New("help was asked for")

// Error is a command line that the parser refuses. Print shows it as argparse4j does.
type Error struct {
	Parser  *Parser // whose usage explains it
	Message string
}

func (e *Error) Error() string { return e.Message }

// Argument is an option that a tool accepts.
type Argument struct {
	flags    []string
	help     string
	kind     Kind
	metavar  string
	required bool
	group    *Group
	version  bool
}

// Kind is what follows an option on the command line.
type Kind int

// The kinds that Kafka's tools use. The zero value is Store.
const (
	Store     Kind = iota // one value; the last one counts
	StoreTrue             // none
	Append                // one value, and the option may come again
	Many                  // one value or more
	Integer               // one value: 32 bits
	Long                  // one value: 64 bits
	Double                // one value
)

// As says what follows the option.
func (a *Argument) As(k Kind) *Argument { a.kind = k; return a }

// Required has Parse refuse a command line without the option.
func (a *Argument) Required() *Argument { a.required = true; return a }

// Metavar is how the usage calls the value; without it it is the name in capitals.
func (a *Argument) Metavar(name string) *Argument { a.metavar = name; return a }

// name is how messages call the option.
func (a *Argument) name() string { return strings.Join(a.flags, "/") }

// Group is a set of options: one of which at most may be given, or that has a title of its own in the help.
type Group struct {
	parser             *Parser
	exclusive          bool
	required           bool
	title, description string
	arguments          []*Argument
}

// Required demands one of the group.
func (g *Group) Required() *Group { g.required = true; return g }

// Titled gives the group a section of its own in the help.
func (g *Group) Titled(title, description string) *Group {
	g.title, g.description = title, description
	return g
}

// Option adds an option to the group.
func (g *Group) Option(help string, flags ...string) *Argument {
	a := g.parser.Option(help, flags...)
	a.group = g
	g.arguments = append(g.arguments, a)
	return a
}

// separate reports whether the help shows the group's options apart.
func (g *Group) separate() bool { return g != nil && (g.title != "" || g.description != "") }

// Parser knows the options and subcommands of one tool, or of one subcommand.
type Parser struct {
	prog        string
	description string
	arguments   []*Argument
	groups      []*Group
	above       *Parser // of a subcommand
	name, help  string  // of a subcommand
	commands    []*Parser
	title       string // of the subcommands in the help
	metavar     string // of the subcommands in the usage
}

// New makes a parser. It knows -h and --help.
func New(prog, description string) *Parser {
	p := &Parser{prog: prog, description: description}
	p.Option("show this help message and exit", "-h", "--help").As(StoreTrue)
	return p
}

// Option adds an option. The usage shows the first of its names.
func (p *Parser) Option(help string, flags ...string) *Argument {
	a := &Argument{flags: flags, help: help}
	p.arguments = append(p.arguments, a)
	return a
}

// Exclusive adds a group of options that exclude each other.
func (p *Parser) Exclusive() *Group { return p.add(&Group{parser: p, exclusive: true}) }

// Section adds a group of options with a title in the help.
func (p *Parser) Section(title, description string) *Group {
	return p.add(&Group{parser: p, title: title, description: description})
}

func (p *Parser) add(g *Group) *Group {
	p.groups = append(p.groups, g)
	return g
}

// Command adds a subcommand.
func (p *Parser) Command(name, help string) *Parser {
	c := New(p.prog, "")
	c.above, c.name, c.help = p, name, help
	p.commands = append(p.commands, c)
	return c
}

// Describe gives a subcommand a description at the head of its help.
func (p *Parser) Describe(description string) *Parser { p.description = description; return p }

// Commands says how usage and help call the subcommands.
func (p *Parser) Commands(title, metavar string) { p.title, p.metavar = title, metavar }

// Namespace is what Parse found.
type Namespace struct {
	command string
	found   map[*Argument][]string
}

// Command is the subcommand.
func (n *Namespace) Command() string { return n.command }

// Has reports whether the option was given.
func (n *Namespace) Has(a *Argument) bool { _, ok := n.found[a]; return ok }

// Values are all values of an option.
func (n *Namespace) Values(a *Argument) []string { return n.found[a] }

// Value is the value of an option: the last one given, or "".
func (n *Namespace) Value(a *Argument) string {
	if v := n.found[a]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// Int64 is the value of an option of kind Integer or Long, or otherwise the default.
func (n *Namespace) Int64(a *Argument, otherwise int64) int64 {
	if !n.Has(a) {
		return otherwise
	}
	v, _ := strconv.ParseInt(n.Value(a), 10, 64) // Parse has checked it
	return v
}

// Int is Int64 for the kind Integer.
func (n *Namespace) Int(a *Argument, otherwise int32) int32 {
	return int32(n.Int64(a, int64(otherwise)))
}

// Float is the value of an option of kind Double.
func (n *Namespace) Float(a *Argument, otherwise float64) float64 {
	if !n.Has(a) {
		return otherwise
	}
	v, _ := strconv.ParseFloat(n.Value(a), 64)
	return v
}

// Parse reads the arguments of a command line, without the name of the tool. Its errors are ErrHelp, with the parser whose help was asked for, and *Error.
func (p *Parser) Parse(args []string) (*Namespace, *Parser, error) {
	s := &state{args: args, found: map[*Argument][]string{}}
	at, err := s.parse(p)
	if err != nil {
		return nil, at, err
	}
	if s.deferred != nil {
		return nil, s.deferred.Parser, s.deferred
	}
	return &Namespace{command: s.command, found: s.found}, at, nil
}

// state is a command line that is being read.
type state struct {
	args     []string
	found    map[*Argument][]string
	command  string
	deferred *Error // a missing option: reported when nothing worse comes, and no -h
}

func (p *Parser) fail(format string, args ...any) *Error {
	return &Error{Parser: p, Message: fmt.Sprintf(format, args...)}
}

func (p *Parser) refuse(a *Argument, format string, args ...any) *Error {
	return p.fail("argument %s: %s", a.name(), fmt.Sprintf(format, args...))
}

// parse reads what belongs to p and, behind a subcommand, to that.
func (s *state) parse(p *Parser) (*Parser, error) {
	for len(s.args) > 0 {
		arg := s.args[0]
		if !isFlag(arg) {
			if len(p.commands) == 0 {
				return p, p.fail("unrecognized arguments: '%s'", strings.Join(s.args, " "))
			}
			s.demand(p)
			next, err := p.resolve(arg)
			if err != nil {
				return p, err
			}
			s.args, s.command = s.args[1:], next.name
			return s.parse(next)
		}
		s.args = s.args[1:]
		name, value, hasValue := strings.Cut(arg, "=")
		a, err := p.flag(name)
		if err != nil {
			return p, err
		}
		if a == nil { // "-nvalue"
			if a, _ = p.flag(arg[:min(2, len(arg))]); a == nil || len(arg) < 3 || arg[1] == '-' {
				return p, p.fail("unrecognized arguments: '%s'", arg)
			}
			if value, hasValue = arg[2:], true; a.kind == StoreTrue {
				s.args, hasValue = append([]string{"-" + value}, s.args...), false
			}
		}
		if a == p.arguments[0] {
			return p, ErrHelp
		}
		if err := s.take(p, a, value, hasValue); err != nil {
			return p, err
		}
	}
	if len(p.commands) > 0 && !s.hasVersion(p) {
		return p, p.fail("too few arguments")
	}
	s.demand(p)
	return p, nil
}

// Version adds an option that needs no other: the tool then prints its version.
func (p *Parser) Version(help string, flags ...string) *Argument {
	a := p.Option(help, flags...).As(StoreTrue)
	a.version = true
	return a
}

func (s *state) hasVersion(p *Parser) bool {
	return slices.ContainsFunc(p.arguments, func(a *Argument) bool { _, ok := s.found[a]; return a.version && ok })
}

// demand notes the last of the required options that are missing.
func (s *state) demand(p *Parser) {
	if s.deferred != nil || s.hasVersion(p) {
		return
	}
	for _, a := range p.arguments {
		if _, ok := s.found[a]; a.required && !ok {
			s.deferred = p.fail("argument %s is required", a.name())
		}
	}
	if s.deferred != nil {
		return
	}
	for _, g := range p.groups {
		if g.required && !slices.ContainsFunc(g.arguments, func(a *Argument) bool { _, ok := s.found[a]; return ok }) {
			var names strings.Builder
			for _, a := range g.arguments {
				names.WriteString(a.name() + " ")
			}
			s.deferred = p.fail("one of the arguments %sis required", names.String())
		}
	}
}

var negative = regexp.MustCompile(`^-\d+$`)

func isFlag(arg string) bool { return len(arg) > 1 && arg[0] == '-' && !negative.MatchString(arg) }

// flag finds an option by its name or an unambiguous beginning of it.
func (p *Parser) flag(name string) (*Argument, error) {
	matches := map[string]*Argument{}
	for _, a := range p.arguments {
		for _, f := range a.flags {
			if f == name {
				return a, nil
			}
			if strings.HasPrefix(name, "--") && strings.HasPrefix(f, name) {
				matches[f] = a
			}
		}
	}
	names := slices.Sorted(maps.Keys(matches))
	switch len(names) {
	case 0:
		return nil, nil
	case 1:
		return matches[names[0]], nil
	}
	return nil, p.fail("ambiguous option: %s could match %s", name, strings.Join(names, ", "))
}

// resolve finds a subcommand by its name or an unambiguous beginning of it.
func (p *Parser) resolve(name string) (*Parser, error) {
	var matches []*Parser
	var quoted, names []string
	for _, c := range p.commands {
		if c.name == name {
			return c, nil
		}
		quoted = append(quoted, "'"+c.name+"'")
		if strings.HasPrefix(c.name, name) {
			matches, names = append(matches, c), append(names, c.name)
		}
	}
	switch len(matches) {
	case 0:
		return nil, p.fail("invalid choice: '%s' (choose from %s)", name, strings.Join(quoted, ", "))
	case 1:
		return matches[0], nil
	}
	slices.Sort(names)
	return nil, p.fail("ambiguous command: %s could match %s", name, strings.Join(names, ", "))
}

// take notes an option and what follows it.
func (s *state) take(p *Parser, a *Argument, value string, hasValue bool) error {
	if a.group != nil && a.group.exclusive {
		for _, other := range a.group.arguments {
			if _, ok := s.found[other]; ok && other != a {
				return p.refuse(a, "not allowed with argument %s", other.name())
			}
		}
	}
	var values []string
	switch {
	case a.kind == StoreTrue && hasValue:
		return p.refuse(a, "ignore implicit argument '%s'", value)
	case a.kind == StoreTrue:
		s.found[a] = nil
		return nil
	case hasValue:
		values = []string{value}
	default:
		for len(s.args) > 0 && !isFlag(s.args[0]) && (len(values) == 0 || a.kind == Many) {
			values, s.args = append(values, s.args[0]), s.args[1:]
		}
	}
	if len(values) == 0 {
		if a.kind == Many {
			return p.refuse(a, "expected 1 argument(s)")
		}
		return p.refuse(a, "expected one argument")
	}
	for _, v := range values {
		if err := a.kind.check(v); err != nil {
			return p.refuse(a, "%s", err)
		}
	}
	if a.kind == Append {
		values = append(s.found[a], values...)
	}
	s.found[a] = values
	return nil
}

// check reports a value that is none of the kind, in Java's words.
func (k Kind) check(value string) error {
	var err error
	var name string
	switch k {
	case Integer:
		_, err = strconv.ParseInt(value, 10, 32)
		name = "Integer"
	case Long:
		_, err = strconv.ParseInt(value, 10, 64)
		name = "Long"
	case Double:
		_, err = strconv.ParseFloat(value, 64)
		name = "Double"
	}
	if err != nil {
		return fmt.Errorf("could not convert '%s' to %s (For input string: \"%s\")", value, name, value)
	}
	return nil
}
