package main

import (
	"fmt"
	"html"
	"math"
	"os"
	"path/filepath"
	"strings"
)

var colours = map[string]string{"kafka": "#9a9a9a", "gokafka": "#00758f", "other": "#8f5a00"}

// drawn are the brokers that plots show, in this order.
var drawn = []string{"kafka", "gokafka", "other"}

// writePlots draws what the results have into dir/plots and returns the files' names, relative to dir.
func writePlots(all results, dir string) ([]string, error) {
	plots := map[string]string{
		"cpu":        bars2(all, "Broker CPU, seconds per GiB", "s/GiB", ": broker CPU", "produce", "fetch"),
		"throughput": bars2(all, "Throughput, MiB/s", "MiB/s", ": throughput", "produce", "fetch"),
		"requests":   bars2(all, "Broker CPU, µs per request", "µs/request", ": broker CPU", "produce", "requests", "growth"),
		"latency":    lines(all, "latency", "latency", "End to end at 1,000 records/s: ms by share of records", nines),
		"memory":     lines(all, "memory", "memory", "Resident memory, MiB, by seconds: 5,000 connections, then 1.25 GiB of records", nil),
	}
	var names []string
	if err := os.MkdirAll(filepath.Join(dir, "plots"), 0o755); err != nil {
		return nil, err
	}
	for _, name := range []string{"cpu", "throughput", "requests", "latency", "memory"} {
		if plots[name] == "" {
			continue
		}
		file := "plots/" + name + ".svg"
		if err := os.WriteFile(filepath.Join(dir, file), []byte(plots[name]), 0o644); err != nil {
			return nil, err
		}
		names = append(names, file)
	}
	return names, nil
}

func svg(width, height int, title, body string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">
<rect width="100%%" height="100%%" fill="white"/>
<text x="12" y="20" font-size="14" font-weight="bold">%s</text>
%s</svg>
`, width, height, width, height, html.EscapeString(title), body)
}

func legend(x, y int, brokers []string) string {
	var b strings.Builder
	for i, name := range brokers {
		fmt.Fprintf(&b, "<rect x=\"%d\" y=\"%d\" width=\"10\" height=\"10\" fill=\"%s\"/><text x=\"%d\" y=\"%d\">%s</text>\n", x+90*i, y-9, colours[name], x+90*i+14, y, name)
	}
	return b.String()
}

// bars2 draws a pair of bars for each figure with this unit and ending.
func bars2(all results, title, unit, ending string, names ...string) string {
	type row struct {
		name   string
		values map[string]float64
	}
	var rows []row
	most := 0.0
	for _, part := range names {
		r := all[part]
		if r == nil {
			continue
		}
		listed := r.of("gokafka")
		if len(listed.Names) == 0 {
			listed = r.of("other")
		}
		for _, name := range listed.Names {
			label, ok := strings.CutSuffix(name, ending)
			if !ok {
				label = name
			}
			if listed.Unit[name] != unit || !ok && part != "growth" {
				continue
			}
			one := row{part + ": " + label, map[string]float64{}}
			for _, broker := range drawn {
				if v, ok := r.Figures[broker].median(name); ok {
					one.values[broker] = v
					most = max(most, v)
				}
			}
			rows = append(rows, one)
		}
	}
	if len(rows) == 0 || most == 0 {
		return ""
	}
	var b strings.Builder
	const left, wide, high = 330, 420, 30
	for i, r := range rows {
		y := 40 + i*high
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", left-8, y+15, html.EscapeString(r.name))
		at := y
		for _, broker := range drawn {
			v, ok := r.values[broker]
			if !ok {
				continue
			}
			fmt.Fprintf(&b, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"11\" fill=\"%s\"/><text x=\"%.1f\" y=\"%d\">%s</text>\n", left, at, max(1, v/most*wide), colours[broker], left+max(1, v/most*wide)+4, at+9, number(v))
			at += 12
		}
	}
	height := 40 + len(rows)*high + 24
	b.WriteString(legend(left, height-8, drawn[:2]))
	return svg(left+wide+70, height, title, b.String())
}

// nines spreads the upper quantiles: 0.9, 0.99 and 0.999 are equally far apart.
func nines(q float64) float64 { return -math.Log10(1 - q) }

// lines draws a curve for each broker, the vertical axis logarithmic.
func lines(all results, part, curve, title string, scale func(float64) float64) string {
	r := all[part]
	if r == nil {
		return ""
	}
	if scale == nil {
		scale = func(x float64) float64 { return x }
	}
	lowY, highY, highX := math.Inf(1), 0.0, 0.0
	var shown []string
	for _, broker := range drawn {
		if f := r.Figures[broker]; f != nil && len(f.Curves[curve]) > 0 {
			shown = append(shown, broker)
			for _, p := range f.Curves[curve] {
				lowY, highY, highX = min(lowY, max(p.Y, 1e-3)), max(highY, p.Y), max(highX, scale(p.X))
			}
		}
	}
	if len(shown) == 0 || highX == 0 {
		return ""
	}
	const left, top, wide, high = 60, 40, 640, 280
	fromY, toY := math.Floor(math.Log10(lowY)), math.Ceil(math.Log10(highY))
	y := func(v float64) float64 { return top + high*(1-(math.Log10(max(v, 1e-3))-fromY)/max(1, toY-fromY)) }
	x := func(v float64) float64 { return left + wide*scale(v)/highX }
	var b strings.Builder
	for e := fromY; e <= toY; e++ {
		at := y(math.Pow(10, e))
		fmt.Fprintf(&b, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", left, left+wide, at, at, left-6, at+4, math.Pow(10, e))
	}
	ticks := []float64{0, 0.5, 0.9, 0.99, 0.999, 0.9999}
	if part == "memory" {
		ticks = nil
		for t := 0.0; t <= highX; t += max(1, math.Round(highX/8)) {
			ticks = append(ticks, t)
		}
	}
	for _, t := range ticks {
		if scale(t) <= highX {
			fmt.Fprintf(&b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n", x(t), top+high+16, t)
		}
	}
	for _, broker := range shown {
		var path strings.Builder
		for i, p := range r.Figures[broker].Curves[curve] {
			fmt.Fprintf(&path, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], x(p.X), y(p.Y))
		}
		fmt.Fprintf(&b, "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n", path.String(), colours[broker])
	}
	b.WriteString(legend(left, top+high+36, shown))
	return svg(left+wide+30, top+high+50, title, b.String())
}
