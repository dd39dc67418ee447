package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// figures are the values of one broker in one part, over all rounds.
type figures struct {
	Names  []string             `json:"names"`
	Unit   map[string]string    `json:"unit"`
	Values map[string][]float64 `json:"values"`
	Curves map[string][]point   `json:"curves,omitempty"` // of the last round
}

// point of a curve.
type point struct{ X, Y float64 }

// add notes a value. Parts add the same names in the same order each time.
func (f *figures) add(name, unit string, value float64) {
	if f.Values == nil {
		f.Unit, f.Values = map[string]string{}, map[string][]float64{}
	}
	if _, ok := f.Values[name]; !ok {
		f.Names = append(f.Names, name)
		f.Unit[name] = unit
	}
	f.Values[name] = append(f.Values[name], value)
}

// curve notes a curve for a plot.
func (f *figures) curve(name string, points []point) {
	if f.Curves == nil {
		f.Curves = map[string][]point{}
	}
	f.Curves[name] = points
}

// median returns false where there is nothing.
func (f *figures) median(name string) (float64, bool) {
	if f == nil || len(f.Values[name]) == 0 {
		return 0, false
	}
	v := slices.Sorted(slices.Values(f.Values[name]))
	return v[len(v)/2], true
}

// result has the figures of a part by broker.
type result struct {
	Part    string              `json:"part"`
	Date    string              `json:"date"`
	Version string              `json:"version"` // of gokafka
	Rounds  int                 `json:"rounds"`
	Load    string              `json:"load"` // of the machine when the part began
	Seconds float64             `json:"seconds"`
	Figures map[string]*figures `json:"figures"`
}

func (r *result) of(broker string) *figures {
	if r.Figures[broker] == nil {
		r.Figures[broker] = &figures{}
	}
	return r.Figures[broker]
}

// results are those of all parts, of which a run may have measured but some: the file beside the report keeps the others.
type results map[string]*result

func loadResults(path string) (results, error) {
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return results{}, nil
	}
	if err != nil {
		return nil, err
	}
	all := results{}
	return all, json.Unmarshal(text, &all)
}

func (all results) save(path string) error {
	text, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// value of a figure, by the names of its part and itself.
func (all results) value(broker, part, name string) (float64, bool) {
	r := all[part]
	if r == nil {
		return 0, false
	}
	return r.Figures[broker].median(name)
}

// report renders everything, with the plots that are there beside it.
func report(all results, plots []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# gokafka and Apache Kafka 4.3.1, side by side

Made by %s on %s. %s. Medians of the rounds of each part, brokers alternating, never both at work. Ratio is gokafka ÷ Kafka:
below 1 is better for time, CPU and memory, above 1 for throughput and rates. CPU is that of the broker's process alone (/proc), which does not depend on what else the
machine does; throughput and times do, and are bound by the client where it is not the raw one. doc.go has what is measured and how.

Settings: both brokers with their defaults but for the addresses and directories, replication factors of 1 for the internal topics,
%s, and what a part names; Kafka with a heap of 1 GiB, as its scripts have it, and G1 with their flags. Clients: raw is bench/raw.go, prebuilt frames over plain sockets (Produce 7, Fetch 11), five
requests under way on each producer's connection; franz-go %s; the Java tools of Kafka 4.3.1.
`, "`make bench`", time.Now().UTC().Format("2006-01-02"), machine(), "`"+strings.Join(commonProps, "`, `")+"`", franzVersion())
	b.WriteString(barsTable(all))
	if len(plots) > 0 {
		b.WriteString("\n## Plots\n\n")
		for _, p := range plots {
			fmt.Fprintf(&b, "![%s](%s)\n", strings.TrimSuffix(filepath.Base(p), ".svg"), p)
		}
	}
	for _, p := range parts {
		if r := all[p.name]; r != nil {
			b.WriteString(r.table(p))
		}
	}
	return b.String()
}

func (r *result) table(p part) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n%s, gokafka %s, %d round(s), load of the machine at the start %s, %.0f s. `make bench PART='^%s$'`.", p.name, strings.ToUpper(p.about[:1])+p.about[1:], r.Date, r.Version, r.Rounds, r.Load, r.Seconds, p.name)
	if len(p.props) > 0 {
		fmt.Fprintf(&b, " Both with `%s`.", strings.Join(p.props, "`, `"))
	}
	b.WriteString("\n\n")
	if o := r.Figures["other"]; o != nil && len(o.Names) > 0 {
		b.WriteString("| figure | unit | other |\n|---|---|---:|\n")
		for _, name := range o.Names {
			v, _ := o.median(name)
			fmt.Fprintf(&b, "| %s | %s | %s |\n", name, o.Unit[name], number(v))
		}
		return b.String()
	}
	b.WriteString("| figure | unit | Kafka | gokafka | ratio |\n|---|---|---:|---:|---:|\n")
	kafka, ours := r.of("kafka"), r.of("gokafka")
	names, unit := kafka.Names, kafka.Unit
	if len(names) == 0 {
		names, unit = ours.Names, ours.Unit
	}
	for _, name := range names {
		k, okK := kafka.median(name)
		g, okG := ours.median(name)
		ratio := "–"
		if okK && okG && k > 0 {
			ratio = number(g / k)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name, unit[name], orDash(k, okK), orDash(g, okG), ratio)
	}
	return b.String()
}

func orDash(v float64, ok bool) string {
	if !ok {
		return "–"
	}
	return number(v)
}

// number prints three digits that matter.
func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 100 || v <= -100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10 || v <= -10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1 || v <= -1:
		return fmt.Sprintf("%.2f", v)
	case v > 0 && v < 0.001:
		return fmt.Sprintf("%.1g", v)
	case v > 0 && v < 0.1:
		return strings.TrimRight(fmt.Sprintf("%.4f", v), "0")
	default:
		return fmt.Sprintf("%.2g", v)
	}
}

// machine describes what this runs on.
func machine() string {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("Machine: %s, %d cores, %.0f GiB, Linux %s; %s; %s", cpuModel(), runtime.NumCPU(), memoryGiB(), strings.TrimSpace(string(kernel)), runtime.Version(), javaVersion())
}

func memoryGiB() float64 {
	info, _ := os.ReadFile("/proc/meminfo")
	var kb float64
	_, _ = fmt.Sscanf(string(info), "MemTotal: %f kB", &kb)
	return kb / (1 << 20)
}

func loadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg")
	one, _, _ := strings.Cut(string(text), " ")
	return one
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

func franzVersion() string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/twmb/franz-go").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func gokafkaVersion() string {
	out, err := exec.Command("git", "describe", "--tags", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
