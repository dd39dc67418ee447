// Package jopt reads command lines as the tools of Apache Kafka do, whose options follow the syntax of the jopt-simple library, and prints their help in
// its layout: scripts look for both.
//
// Options are "--name", "--name value" or "--name=value", and "-n" for names of one letter, also in clusters. Abbreviations are not taken, as in Kafka.
// The errors of Parse have jopt-simple's words.
package jopt

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Type is what the argument of an option must be. The zero value is String.
type Type string

// The types that Kafka's tools use, named as their help shows them.
const (
	String  Type = "String"
	Integer Type = "Integer"
	Long    Type = "Long"
	Double  Type = "Double"
	Boolean Type = "Boolean"
)

// argument says whether an option takes one.
type argument int

const (
	noArgument argument = iota
	optionalArgument
	requiredArgument
)

// Option is one that a tool accepts.
type Option struct {
	names       []string
	description string
	argument    argument
	describedAs string
	kind        Type
	defaults    []string
	separator   string
	required    bool
	forHelp     bool
	hidden      bool
	needs       []*Option // one of these must be on the command line too
}

// Name is the option's first name.
func (o *Option) Name() string { return o.names[0] }

// String is how jopt-simple shows an option in messages.
func (o *Option) String() string { return "[" + strings.Join(o.names, ", ") + "]" }

// WithRequiredArg gives the option an argument, shown in the help as describedAs.
func (o *Option) WithRequiredArg(describedAs string) *Option {
	o.argument, o.describedAs = requiredArgument, describedAs
	return o
}

// WithOptionalArg gives the option an argument that may be left out.
func (o *Option) WithOptionalArg(describedAs string) *Option {
	o.argument, o.describedAs = optionalArgument, describedAs
	return o
}

// OfType demands arguments that can be read as t.
func (o *Option) OfType(t Type) *Option { o.kind = t; return o }

// DefaultsTo is the value of an option that is not given, or is given without its optional argument.
func (o *Option) DefaultsTo(values ...string) *Option { o.defaults = values; return o }

// SeparatedBy splits arguments into several values.
func (o *Option) SeparatedBy(separator string) *Option { o.separator = separator; return o }

// Required has Parse refuse a command line without the option.
func (o *Option) Required() *Option { o.required = true; return o }

// AvailableIf has Parse refuse a command line that has the option and none of the others.
func (o *Option) AvailableIf(others ...*Option) *Option { o.needs = others; return o }

// ForHelp makes an option whose presence has Parse take any command line, such as --help.
func (o *Option) ForHelp() *Option { o.forHelp = true; return o }

// Hidden keeps an option of older versions out of the help.
func (o *Option) Hidden() *Option { o.hidden = true; return o }

// Parser knows the options of one tool.
type Parser struct {
	options []*Option
}

// Accepts adds an option without an argument.
func (p *Parser) Accepts(name, description string) *Option {
	return p.AcceptsAll([]string{name}, description)
}

// AcceptsAll adds an option that has several names.
func (p *Parser) AcceptsAll(names []string, description string) *Option {
	o := &Option{names: names, description: description, kind: String}
	// jopt-simple shows short names first, then by the alphabet.
	o.names = slices.SortedFunc(slices.Values(names), func(a, b string) int {
		if (len(a) == 1) != (len(b) == 1) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	p.options = append(p.options, o)
	return o
}

func (p *Parser) find(name string) *Option {
	for _, o := range p.options {
		if slices.Contains(o.names, name) {
			return o
		}
	}
	return nil
}

// Options are those found on a command line.
type Options struct {
	found map[*Option][]string
	order []*Option
	rest  []string
}

// Parse reads the arguments of a command line, without the name of the tool.
func (p *Parser) Parse(args []string) (*Options, error) {
	s := &Options{found: map[*Option][]string{}}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			s.rest = append(s.rest, args...)
			args = nil
		case strings.HasPrefix(arg, "--"):
			name, value, hasValue := strings.Cut(arg[2:], "=")
			o := p.find(name)
			if o == nil {
				return nil, fmt.Errorf("%s is not a recognized option", name)
			}
			var err error
			if args, err = p.take(s, o, value, hasValue, args); err != nil {
				return nil, err
			}
		case len(arg) > 1 && arg[0] == '-':
			var err error
			if args, err = p.short(s, arg[1:], args); err != nil {
				return nil, err
			}
		default:
			s.rest = append(s.rest, arg)
		}
	}
	return s, p.complete(s)
}

// complete reports options that are missing, and those that need others which are.
func (p *Parser) complete(s *Options) error {
	var missing, unavailable []string
	for _, o := range p.options {
		switch {
		case !s.Has(o):
			if o.required {
				missing = append(missing, strings.Join(o.names, "/"))
			}
		case o.forHelp:
			return nil
		case len(o.needs) > 0 && !slices.ContainsFunc(o.needs, s.Has):
			unavailable = append(unavailable, strings.Join(o.names, "/"))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("Missing required option(s) [%s]", strings.Join(missing, ", ")) //nolint:staticcheck // jopt-simple's words
	}
	if len(unavailable) > 0 {
		return fmt.Errorf("Option(s) [%s] are unavailable given other options on the command line", strings.Join(unavailable, ", ")) //nolint:staticcheck // jopt-simple's words
	}
	return nil
}

// short reads what followed a single dash: a whole name, a name and its value, or a cluster of letters.
func (p *Parser) short(s *Options, text string, args []string) ([]string, error) {
	name, value, hasValue := strings.Cut(text, "=")
	if o := p.find(name); o != nil {
		return p.take(s, o, value, hasValue, args)
	}
	for i := range text {
		o := p.find(text[i : i+1])
		if o == nil {
			return nil, fmt.Errorf("%s is not a recognized option", text[i:i+1])
		}
		if o.argument != noArgument {
			return p.take(s, o, text[i+1:], i+1 < len(text), args)
		}
		if _, err := p.take(s, o, "", false, nil); err != nil {
			return nil, err
		}
	}
	return args, nil
}

// take notes an option and its argument, which may be the next of args, and returns the rest of those.
func (p *Parser) take(s *Options, o *Option, value string, hasValue bool, args []string) ([]string, error) {
	s.order = append(s.order, o)
	values := s.found[o]
	if values == nil {
		values = []string{}
	}
	switch {
	case o.argument == noArgument:
		s.found[o] = values
		return args, nil
	case hasValue:
	case o.argument == requiredArgument:
		if len(args) == 0 {
			return nil, fmt.Errorf("Option %s requires an argument", strings.Join(o.names, "/")) //nolint:staticcheck // jopt-simple's words
		}
		value, args = args[0], args[1:]
	default:
		number := o.kind != String && o.kind != Boolean
		if len(args) == 0 || strings.HasPrefix(args[0], "-") && !number || o.check(args[0]) != nil {
			s.found[o] = values
			return args, nil
		}
		value, args = args[0], args[1:]
	}
	parts := []string{value}
	if o.separator != "" {
		parts = strings.Split(value, o.separator)
	}
	for _, v := range parts {
		if err := o.check(v); err != nil {
			return nil, err
		}
	}
	s.found[o] = append(values, parts...)
	return args, nil
}

// check reports an argument that is not of the option's type.
func (o *Option) check(value string) error {
	var err error
	switch o.kind {
	case Integer:
		_, err = strconv.ParseInt(value, 10, 32)
	case Long:
		_, err = strconv.ParseInt(value, 10, 64)
	case Double:
		_, err = strconv.ParseFloat(value, 64)
	}
	if err != nil {
		return fmt.Errorf("Cannot parse argument '%s' of option %s", value, strings.Join(o.names, "/")) //nolint:staticcheck // jopt-simple's words
	}
	return nil
}

// Has reports whether the option is on the command line.
func (s *Options) Has(o *Option) bool {
	_, ok := s.found[o]
	return ok
}

// Values are the arguments of an option, or its defaults.
func (s *Options) Values(o *Option) []string {
	if values := s.found[o]; len(values) > 0 {
		return values
	}
	return o.defaults
}

// Value is the only argument of an option, its default, or "". An option given more than once is an error that Single reports; Value takes the last.
func (s *Options) Value(o *Option) string {
	if values := s.Values(o); len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

// Single reports the first of the options that was given more than one argument, with jopt-simple's words.
func (s *Options) Single(options ...*Option) error {
	for _, o := range options {
		if len(s.found[o]) > 1 {
			return fmt.Errorf("Found multiple arguments for option %s, but you asked for only one", strings.Join(o.names, "/")) //nolint:staticcheck // jopt-simple's words
		}
	}
	return nil
}

// Int is the argument of an option of type Integer; 0 when there is neither it nor a default.
func (s *Options) Int(o *Option) int32 {
	n := s.Int64(o)
	return int32(min(max(n, math.MinInt32), math.MaxInt32))
}

// Int64 is the argument of an option of type Integer or Long.
func (s *Options) Int64(o *Option) int64 {
	n, _ := strconv.ParseInt(s.Value(o), 10, 64) // Parse has checked it
	return n
}

// Float is the argument of an option of type Double.
func (s *Options) Float(o *Option) float64 {
	f, _ := strconv.ParseFloat(s.Value(o), 64)
	return f
}

// InOrder are the options as they follow each other on the command line, once for each time they are there.
func (s *Options) InOrder() []*Option { return s.order }

// Rest are the arguments that belong to no option.
func (s *Options) Rest() []string { return s.rest }

// Empty reports whether there is no option at all.
func (s *Options) Empty() bool { return len(s.found) == 0 && len(s.rest) == 0 }
