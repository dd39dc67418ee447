package main

import (
	"fmt"
	"strings"
)

// bar is a figure of issue 6 and what it must be. With atLeast the ratio, or the value, must not be below it, else not above.
type bar struct {
	about, part, figure string
	limit               float64
	absolute, atLeast   bool // absolute: gokafka's value itself counts
}

var bars = []bar{
	{about: "format and start to ready, empty directory", part: "start", figure: "both together", limit: 1.0 / 100},
	{about: "start after kill -9 with 1 GiB", part: "recovery", figure: "start after kill -9 with 1 GiB", limit: 1.0 / 5},
	{about: "1,000 topics × 10 partitions created and serving", part: "topics", figure: "1,000 topics × 10 partitions created and led", limit: 1.0 / 20},
	{about: "resident memory, fresh", part: "start", figure: "resident memory, fresh", limit: 1.0 / 20},
	{about: "resident memory after a million records", part: "memory", figure: "after a million records of 1 KiB, from one producer", limit: 1.0 / 10},
	{about: "CPU per GiB produced, raw 1 MiB batches", part: "produce", figure: "1 MiB batches: broker CPU", limit: 1.0 / 3},
	{about: "the same, stretch: kfake's s/GiB", part: "produce", figure: "1 MiB batches: broker CPU", limit: 1.4, absolute: true},
	{about: "CPU per GiB produced, raw 16 KiB batches", part: "produce", figure: "16 KiB batches: broker CPU", limit: 1.0 / 3},
	{about: "the same, stretch: kfake's s/GiB", part: "produce", figure: "16 KiB batches: broker CPU", limit: 4.7, absolute: true},
	{about: "CPU per GiB produced, 64 partitions × 8 idempotent producers, franz-go", part: "produce", figure: "franz-go, 64 partitions, 8 idempotent producers: broker CPU", limit: 1.0 / 3},
	{about: "the same, stretch: kfake's s/GiB", part: "produce", figure: "franz-go, 64 partitions, 8 idempotent producers: broker CPU", limit: 1.8, absolute: true},
	{about: "CPU per request, one record produced", part: "produce", figure: "1 record of 1 KiB: broker CPU", limit: 1.0 / 4},
	{about: "CPU per request, ApiVersions, 8 connections", part: "requests", figure: "ApiVersions, 8 connections: broker CPU", limit: 1.0 / 4},
	{about: "CPU per GiB fetched, raw 1 MiB", part: "fetch", figure: "1 MiB: broker CPU", limit: 1},
	{about: "CPU per GiB fetched, raw 16 KiB", part: "fetch", figure: "16 KiB: broker CPU", limit: 1.0 / 3},
	{about: "CPU per GiB fetched, franz-go", part: "fetch", figure: "franz-go, 1 partition: broker CPU", limit: 2.0 / 3},
	{about: "end to end at 1,000/s, p50", part: "latency", figure: "1,000/s: p50", limit: 1.0 / 2},
	{about: "end to end at 1,000/s, p99", part: "latency", figure: "1,000/s: p99", limit: 1.0 / 4},
	{about: "end to end at 1,000/s, p99.9", part: "latency", figure: "1,000/s: p99.9", limit: 1.0 / 4},
	{about: "CPU for that", part: "latency", figure: "1,000/s: broker CPU", limit: 1.0 / 2},
	{about: "throughput, raw 1 MiB batches", part: "produce", figure: "1 MiB batches: throughput", limit: 2, atLeast: true},
	{about: "throughput, 64 partitions × 8 idempotent producers, franz-go", part: "produce", figure: "franz-go, 64 partitions, 8 idempotent producers: throughput", limit: 2, atLeast: true},
	{about: "memory per idle connection, KiB", part: "memory", figure: "per idle connection", limit: 12, absolute: true},
	{about: "memory per partition, KiB", part: "topics", figure: "memory per partition", limit: 20, absolute: true},
	{about: "binary, MiB (25 MB at most)", part: "memory", figure: "size: binary, or jars without a JRE", limit: 25e6 / (1 << 20), absolute: true},
}

// barsTable says which bars were passed. What was not measured with both brokers is left open.
func barsTable(all results) string {
	var b strings.Builder
	b.WriteString("\n## The bars\n\n| bar | Kafka | gokafka | ratio | asked | |\n|---|---:|---:|---:|---:|---|\n")
	for _, x := range bars {
		k, okK := all.value("kafka", x.part, x.figure)
		g, okG := all.value("gokafka", x.part, x.figure)
		if !okG {
			continue
		}
		ratio, judged := "–", g
		if okK && k > 0 {
			ratio = number(g / k)
			if !x.absolute {
				judged = g / k
			}
		} else if !x.absolute {
			fmt.Fprintf(&b, "| %s | %s | %s | – | | not measured with both |\n", x.about, orDash(k, okK), number(g))
			continue
		}
		asked, verdict := "≤ "+number(x.limit), "**missed**"
		if x.atLeast {
			asked = "≥ " + number(x.limit)
		}
		if x.absolute {
			asked += " itself"
		}
		if judged <= x.limit && !x.atLeast || judged >= x.limit && x.atLeast {
			verdict = "passed"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", x.about, orDash(k, okK), number(g), ratio, asked, verdict)
	}
	return b.String()
}
