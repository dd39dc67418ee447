package jopt

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What java.text.BreakIterator.getLineInstance of JDK 17 does with these lines; "¦" is where it breaks.
func TestWordsBreakAsJavas(t *testing.T) {
	for _, want := range []string{
		"to ¦control ¦`metadata.¦max.¦age.¦ms` ¦in",
		"headers ¦1.5 ¦a.¦1 ¦1.¦a ¦3-¦5 ¦a-¦b ¦-¦a ¦--¦create ¦key=value,¦x",
		`a--¦b---¦c ¦5--¦6 ¦(a)¦(b)`,
		`"key" ¦"k" ¦"(a" ¦("a") ¦(--¦x) ¦a¦(--¦x ¦b) ¦[--¦x] ¦a"¦b ¦x."¦b" ¦"h1,¦h2...`,
		`'a','b' ¦a'b' ¦'x'y ¦key's ¦.'a`,
		`a/b ¦c|d ¦true|false ¦=<key.¦separator> ¦<value.¦deserializer>`,
		`{"partitions":¦[{"topic":"¦foo"}]}`,
		`x ¦-1 ¦/ ¦-2 ¦-3, ¦-4. ¦$a ¦a$b ¦#a ¦a#b`,
		`a ¦- ¦b ¦a-- ¦b ¦1-¦2 ¦a-¦1 ¦1-¦a ¦a.¦b- ¦(a-¦b) ¦-([0-¦9]`,
		`x...¦y ¦1,000 ¦1,¦a ¦a,¦1 ¦1.2.3 ¦v1.¦2 ¦1:¦30 ¦50%¦x ¦x%¦y`,
		`HOST1:¦PORT1,¦HOST2:¦PORT2.`,
		"a  ¦b",
	} {
		if got := strings.Join(words(strings.ReplaceAll(want, "¦", "")), "¦"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func newParser() (*Parser, []*Option) {
	p := &Parser{}
	topic := p.Accepts("topic", "The name of the topic, whose partitions are e.g. numbered 0,1,2 (see --list).").WithRequiredArg("topic name")
	codec := p.Accepts("codec", "none, gzip or zstd\n key.separator=<key.separator>\n\nlast line of the text here").WithOptionalArg("codec")
	list := p.Accepts("list", "List.")
	num := p.AcceptsAll([]string{"num", "n"}, "A number.").WithRequiredArg("").OfType(Integer).DefaultsTo("7")
	p.Accepts("a-very-long-option-that-does-not-fit", "Words.").WithRequiredArg("some long description/of-the argument").DefaultsTo("org.apache.kafka.tools.Something")
	p.Accepts("help", "Help.").ForHelp()
	p.Accepts("old", "Of an older version.").Hidden()
	return p, []*Option{topic, codec, list, num}
}

// What jopt-simple 5.0.4 prints of the same options.
func TestHelpIsLaidOutAsJoptSimples(t *testing.T) {
	const want = `
Option                                  Description                         
------                                  -----------                         
--a-very-long-option-that-does-not-fit  Words. (default: org.apache.kafka.  
  <String: some long description/of-      tools.Something)                  
  the argument>                                                             
--codec [String: codec]                 none, gzip or zstd                  
                                         key.separator=<key.separator>      
                                        last line of the text here          
--help                                  Help.                               
--list                                  List.                               
-n, --num <Integer>                     A number. (default: 7)              
--topic <String: topic name>            The name of the topic, whose        
                                          partitions are e.g. numbered 0,1,2
                                          (see --list).                     
`
	p, _ := newParser()
	var got strings.Builder
	if err := p.PrintHelp(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[1:], got.String()); diff != "" {
		t.Error(diff)
	}
}

// What jopt-simple 5.0.4 makes of command lines.
func TestParseAsJoptSimple(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"--topic", "ERROR Option topic requires an argument"},
		{"--topic=", "topic[] rest[]"},
		{"--topic a --topic b", "topic[a b] rest[]"},
		{"-topic x", "topic[x] rest[]"},
		{"--topic=a=b", "topic[a=b] rest[]"},
		{"--codec", "codec[] rest[]"},
		{"--codec --list", "codec[] list[] rest[]"},
		{"--codec zstd", "codec[zstd] rest[]"},
		{"--codec -x", "ERROR x is not a recognized option"},
		{"--list=x", "list[] rest[]"},
		{"--list rest more", "list[] rest[rest more]"},
		{"-n 3", "num[3] rest[]"},
		{"-n3", "num[3] rest[]"},
		{"-n=3", "num[3] rest[]"},
		{"--n 3", "num[3] rest[]"},
		{"-num 3", "num[3] rest[]"},
		{"--num x", "ERROR Cannot parse argument 'x' of option n/num"},
		{"--num=", "ERROR Cannot parse argument '' of option n/num"},
		{"--top x", "ERROR top is not a recognized option"},
		{"-x", "ERROR x is not a recognized option"},
		{"-ln 3", "ERROR l is not a recognized option"},
		{"-- --topic", "rest[--topic]"},
		{"-", "rest[-]"},
		{"--topic --list", "topic[--list] rest[]"},
		{"--topic -1", "topic[-1] rest[]"},
		{"-nx", "ERROR Cannot parse argument 'x' of option n/num"},
		{"--num -5", "num[-5] rest[]"},
		{"-5", "ERROR 5 is not a recognized option"},
		{"--help --num=3", "num[3] rest[]"},
	} {
		p, options := newParser()
		if got := show(p, options, strings.Fields(c.line)); got != c.want {
			t.Errorf("%s: %s, want %s", c.line, got, c.want)
		}
	}
}

func show(p *Parser, options []*Option, args []string) string {
	s, err := p.Parse(args)
	if err != nil {
		return "ERROR " + err.Error()
	}
	var b strings.Builder
	for i, name := range []string{"topic", "codec", "list", "num"} {
		if s.Has(options[i]) {
			fmt.Fprintf(&b, "%s%v ", name, s.found[options[i]])
		}
	}
	return fmt.Sprintf("%srest%v", &b, s.Rest())
}

func TestRequiredAndSingle(t *testing.T) {
	p := &Parser{}
	server := p.Accepts("server", "").WithRequiredArg("x").Required()
	p.Accepts("help", "").ForHelp()
	if _, err := p.Parse(nil); err == nil || err.Error() != "Missing required option(s) [server]" {
		t.Errorf("without a required option: %v", err)
	}
	if _, err := p.Parse([]string{"--help"}); err != nil {
		t.Errorf("with --help: %v", err)
	}
	s, err := p.Parse([]string{"--server", "a", "--server", "b"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Single(server); err == nil || err.Error() != "Found multiple arguments for option server, but you asked for only one" {
		t.Errorf("an option that was given twice: %v", err)
	}
}
