package exchange

import (
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// trouble is what kafka-dump-log says of files that it does not like.
var trouble = regexp.MustCompile(`(?i)exception|error|mismatch|invalid|corrupt|isvalid: false|could not|not found|failed|unexpected|non-consecutive|out of order|bytes remaining`)

// expected says whether dump-log means what the test has done: it calls the gaps that every cleaner leaves non-consecutive.
func (h *house) expected(line string) bool {
	return strings.Contains(line, "Non-consecutive offsets") && slices.ContainsFunc(h.compacted, func(topic string) bool { return strings.Contains(line, "/"+topic+"-") })
}

// dump has kafka-dump-log 4.3.1 read every file of the log directory with the decoder that is meant for it. Time indexes in directories whose name
// has a part of notTimes in it are not compared with their logs.
func (h *house) dump(notTimes ...string) {
	h.t.Helper()
	kinds := map[string]*struct {
		options []string
		files   []string
		want    string // what at least one line says
	}{
		"records":      {options: []string{"--print-data-log", "--deep-iteration"}, want: "| offset: "},
		"offsets":      {options: []string{"--offsets-decoder"}, want: "payload: {"},
		"transactions": {options: []string{"--transaction-log-decoder"}},
		"shares":       {options: []string{"--share-group-state-decoder"}},
		"metadata":     {options: []string{"--cluster-metadata-decoder"}, want: "PARTITION_RECORD"},
		"index":        {options: []string{"--index-sanity-check"}, want: "passed sanity check"},
		"index lookup": {options: []string{"--verify-index-only"}},
		"others":       {},
	}
	add := func(kind, name string) { kinds[kind].files = append(kinds[kind].files, name) }
	each := func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		topic := filepath.Base(filepath.Dir(name))
		topic = topic[:max(0, strings.LastIndex(topic, "-"))]
		switch filepath.Ext(name) {
		case ".log":
			switch topic {
			case "__consumer_offsets":
				add("offsets", name)
			case "__transaction_state":
				add("transactions", name)
			case "__share_group_state":
				add("shares", name)
			case "__cluster_metadata":
				add("metadata", name)
			default:
				add("records", name)
			}
		case ".checkpoint":
			if d.Name() != "bootstrap.checkpoint" {
				add("metadata", name)
			}
		case ".index", ".timeindex":
			add("index", name)
			if filepath.Ext(name) != ".timeindex" || !slices.ContainsFunc(notTimes, func(part string) bool { return strings.Contains(name, part) }) {
				add("index lookup", name)
			}
		case ".txnindex", ".snapshot":
			add("others", name)
		}
		return nil
	}
	for _, dir := range h.dirs {
		h.must(filepath.WalkDir(dir, each))
	}
	for kind, k := range kinds {
		if len(k.files) == 0 {
			continue
		}
		args := append([]string{"4", "kafka-dump-log", "--files", strings.Join(k.files, ",")}, k.options...)
		out, err := exec.Command(compatKafka+"cli.sh", args...).CombinedOutput()
		if err != nil {
			h.t.Errorf("kafka-dump-log %s: %v\n%s", kind, err, lastLines(out, 20))
		}
		if !strings.Contains(string(out), k.want) {
			h.t.Errorf("kafka-dump-log %s: nothing says %q", kind, k.want)
		}
		of := ""
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, "Dumping ") {
				of = line
			} else if trouble.MatchString(line) && !h.expected(line) {
				h.t.Errorf("kafka-dump-log %s: %s%.300s", kind, of, line)
			}
		}
	}
}

func lastLines(text []byte, n int) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
