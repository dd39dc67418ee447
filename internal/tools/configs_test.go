package tools

import (
	"slices"
	"testing"
)

func TestSplitOutsideBrackets(t *testing.T) {
	for text, want := range map[string][]string{
		"a=1,b=2":                   {"a=1", "b=2"},
		"a=[1,2],b=3":               {"a=[1,2]", "b=3"},
		"a=[iterations=8,pw=x],b=c": {"a=[iterations=8,pw=x]", "b=c"},
		"a=":                        {"a="},
	} {
		if got := splitOutside(text, ','); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	if got := splitOutside("a=[iterations=8]", '='); !slices.Equal(got, []string{"a", "[iterations=8]"}) {
		t.Errorf("the pair is %q", got)
	}
}

func TestJavaDouble(t *testing.T) {
	for f, want := range map[float64]string{ // as Double.toString
		0: "0.0", 1: "1.0", 50.5: "50.5", 9999999: "9999999.0", 1e7: "1.0E7", 1.5e7: "1.5E7", 0.001: "0.001", 0.0001: "1.0E-4", -2.25: "-2.25",
	} {
		if got := javaDouble(f); got != want {
			t.Errorf("%g is %s, want %s", f, got, want)
		}
	}
}
