package tools

import (
	"math"
	"testing"
	"time"
)

func TestSimpleDate(t *testing.T) {
	at := time.Date(2026, 3, 9, 0, 7, 5, 42_000_000, time.UTC)
	for pattern, want := range map[string]string{
		"yyyy-MM-dd HH:mm:ss:SSS": "2026-03-09 00:07:05:042",
		"d.M.yy h:m a":            "9.3.26 12:7 AM",
		"EEE EEEE MMM MMMM":       "Mon Monday Mar March",
		"kk K D Z X z":            "24 0 68 +0000 Z UTC",
		"'at' HH 'o''clock":       "at 00 o'clock",
		"":                        "",
	} {
		if got := simpleDate(pattern, at); got != want {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
	}
}

func TestFixed(t *testing.T) {
	for f, want := range map[float64]string{1.005: "1.00", math.Inf(1): "Infinity", math.Inf(-1): "-Infinity", -0.25: "-0.25"} {
		if got := fixed(f, 2); got != want {
			t.Errorf("%v: %s, want %s", f, got, want)
		}
	}
	if got := fixed(math.NaN(), 4); got != "NaN" {
		t.Error(got)
	}
}

func TestPercentiles(t *testing.T) {
	var latencies []int32
	for i := range 1000 {
		latencies = append(latencies, int32(999-i))
	}
	got := percentiles(latencies, 0.5, 0.95, 0.99, 0.999)
	for i, want := range []int32{500, 950, 990, 999} {
		if got[i] != want {
			t.Errorf("percentiles are %v", got)
			break
		}
	}
	if got := percentiles(nil, 0.5); got[0] != 0 {
		t.Errorf("of nothing: %v", got)
	}
}
