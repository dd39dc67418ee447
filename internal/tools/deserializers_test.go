package tools

import (
	"math"
	"testing"
)

func TestDeserializersShowWhatJavaShows(t *testing.T) {
	for _, c := range []struct {
		class, in, want string
	}{
		{"String", "añb", "añb"},
		{"Short", "\xff\xfe", "-2"},
		{"Integer", "\x00\x00\x01\x00", "256"},
		{"Long", "\xff\xff\xff\xff\xff\xff\xff\xff", "-1"},
		{"Float", "\x3f\x80\x00\x00", "1.0"},
		{"Double", "\x40\x09\x21\xfb\x54\x44\x2d\x18", "3.141592653589793"},
		{"Boolean", "\x01", "true"},
		{"Bytes", "a\x00\\z", `a\x00\x5Cz`},
		{"ByteBuffer", "abc", "java.nio.HeapByteBuffer[pos=0 lim=3 cap=3]"},
		{"UUID", "1-2-3-4-5", "00000001-0002-0003-0004-000000000005"},
		{"Integer", "abc", "ERROR Size of data received by IntegerDeserializer is not 4"},
		{"Boolean", "\x07", "ERROR Unexpected byte received by BooleanDeserializer: 7"},
		{"UUID", "x", "ERROR Error parsing data into UUID"},
		{"Void", "null", "ERROR Data should be null for a VoidDeserializer."},
	} {
		d, ok := findDeserializer(serialization + c.class + "Deserializer")
		if !ok {
			t.Errorf("no %s", c.class)
			continue
		}
		got, err := d([]byte(c.in))
		if err != nil {
			got = []byte("ERROR " + err.Error())
		}
		if string(got) != c.want {
			t.Errorf("%s of %q: %s, want %s", c.class, c.in, got, c.want)
		}
	}
	if _, ok := findDeserializer("com.example.Mine"); ok {
		t.Error("a class of somebody else was found")
	}
}

// The texts are those of Double.toString and Float.toString.
func TestJavaFloat(t *testing.T) {
	for _, c := range []struct {
		f    float64
		bits int
		want string
	}{
		{0, 64, "0.0"}, {math.Copysign(0, -1), 64, "-0.0"}, {1, 64, "1.0"}, {0.001, 64, "0.001"}, {0.0001, 64, "1.0E-4"}, {9999999, 64, "9999999.0"},
		{1e7, 64, "1.0E7"}, {1.25e100, 64, "1.25E100"}, {float64(float32(0.1)), 32, "0.1"}, {math.NaN(), 64, "NaN"}, {math.Inf(-1), 64, "-Infinity"},
	} {
		if got := javaFloat(c.f, c.bits); got != c.want {
			t.Errorf("%v: %s, want %s", c.f, got, c.want)
		}
	}
}
