package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// figures are the values of one broker in one part, over all rounds.
type figures struct {
	names  []string
	unit   map[string]string
	values map[string][]float64
}

// add notes a value. Parts add the same names in the same order each time.
func (f *figures) add(name, unit string, value float64) {
	if f.values == nil {
		f.unit, f.values = map[string]string{}, map[string][]float64{}
	}
	if _, ok := f.values[name]; !ok {
		f.names = append(f.names, name)
		f.unit[name] = unit
	}
	f.values[name] = append(f.values[name], value)
}

func (f *figures) median(name string) float64 {
	v := slices.Sorted(slices.Values(f.values[name]))
	if len(v) == 0 {
		return 0
	}
	return v[len(v)/2]
}

// result has the figures of a part by broker.
type result struct {
	part    part
	figures map[string]*figures
}

func (r result) of(broker string) *figures {
	if r.figures[broker] == nil {
		r.figures[broker] = &figures{}
	}
	return r.figures[broker]
}

// report renders the table.
func report(results []result, rounds int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# gokafka and Apache Kafka 4.3.1, side by side\n\nMade by `make bench` on %s: %s, %d cores, %s; medians of %d round(s), brokers alternating. "+
		"Ratio is gokafka ÷ Kafka: below 1 is better.\n", time.Now().UTC().Format("2006-01-02"), cpuModel(), runtime.NumCPU(), javaVersion(), rounds)
	for _, r := range results {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n| figure | unit | Kafka | gokafka | ratio |\n|---|---|---:|---:|---:|\n", r.part.name, strings.ToUpper(r.part.about[:1])+r.part.about[1:])
		kafka, ours := r.of("kafka"), r.of("gokafka")
		names, unit := kafka.names, kafka.unit
		if len(names) == 0 {
			names, unit = ours.names, ours.unit
		}
		for _, name := range names {
			k, g := kafka.median(name), ours.median(name)
			ratio := "–"
			if k > 0 {
				ratio = number(g / k)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name, unit[name], number(k), number(g), ratio)
		}
	}
	return b.String()
}

// number prints three digits that matter.
func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.2g", v)
	}
}

func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				return strings.TrimSpace(value)
			}
		}
	}
	return runtime.GOARCH
}

func javaVersion() string {
	out, err := exec.Command("java", "-version").CombinedOutput()
	if err != nil {
		return "no Java"
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first
}
