package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// A section is one table: rows with the same columns.
type section struct {
	name      string
	scenarios []string
}

var sections = []section{
	{"client", []string{"tutorial", "records", "codecs", "acks", "idempotent", "big", "empty", "group", "cooperative", "static", "commit", "seek", "times",
		"lag", "topics", "configs", "groups", "pattern", "transactions", "kip848", "kip932"}},
	{"stock tools", javaScenarios},
	{"native tools", nativeScenarios()},
	{"restart", []string{"sigterm", "kill-9", "kill-9-load"}},
	{"start", []string{"no-file", "kafka-2.8-file", "kafka-4-file", "environment", "port-0", "unknown-key"}},
	{"bad input", []string{"port-in-use", "dir-locked", "dir-unwritable", "disk-full", "wrong-values", "other-cluster", "no-such-file"}},
	{"packages", packageScenarios},
	{"documentation", docScenarios},
}

// row is one client, or one aspect of the broker's own behaviour.
type row struct {
	name    string
	section string
	// scenarios is what the row has; a client program may report fewer.
	scenarios []string
	// install makes the client ready in its folder of .compat. Nil: nothing to do.
	install func(context.Context, *env) error
	// run performs the selected scenarios, adding to e.report. shared is the broker all clients use; nil for rows with ownBroker.
	run       func(ctx context.Context, e *env, r row, shared broker) error
	ownBroker bool
	// notOn says why a broker ("apache-4", "apache-28", "gokafka", "external") is not asked for a scenario ("" = for any).
	notOn map[string]map[string]string

	selected []string
}

// env is what a run has: options, folders and the report.
type env struct {
	installing sync.Map // *sync.Mutex by folder

	options
	here   string // test/compat
	tmp    string
	report *report
}

// kind is what is being tested.
func (o options) kind() string {
	switch {
	case o.broker != "":
		return "external"
	case o.peer != "":
		return "apache-" + o.peer
	}
	return "gokafka"
}

func rows() []row {
	all := clientRows()
	all = append(all, javaRows()...)
	all = append(all, nativeRow())
	all = append(all, packageRows()...)
	all = append(all, docsRow())
	return append(all, brokerRows()...)
}

func selectRows(all []row, only *regexp.Regexp, o options) []row {
	var out []row
	for _, r := range all {
		for _, s := range r.scenarios {
			if only.MatchString(r.name + "/" + s) {
				r.selected = append(r.selected, s)
			}
		}
		if len(r.selected) > 0 && (o.broker == "" || !r.ownBroker) {
			out = append(out, r)
		}
	}
	return out
}

// install prepares the clients of the selected rows, two at a time: the package managers mostly wait for the network.
func (e *env) install(ctx context.Context, selected []row) error {
	if err := os.MkdirAll(e.work, 0o755); err != nil {
		return err
	}
	var jobs []func() error
	for _, r := range selected {
		if r.install != nil {
			jobs = append(jobs, func() error {
				if err := r.install(ctx, e); err != nil {
					return fmt.Errorf("install %s: %w", r.name, err)
				}
				return nil
			})
		}
	}
	// Every run needs these: loads and verifies records, and is the Go clients' program.
	jobs = append(jobs, func() error { return e.buildGoClients(ctx) })
	if e.needsKafka(selected) {
		jobs = append(jobs, func() error { _, err := e.command(ctx, filepath.Join(e.here, "kafka", "fetch.sh")); return err })
	}
	return parallel(2, jobs)
}

func (e *env) needsKafka(selected []row) bool {
	return e.peer != "" || slices.ContainsFunc(selected, func(r row) bool { return r.section == "stock tools" || r.section == "native tools" })
}

// once calls do unless folder already holds the outcome of the same recipe.
func (e *env) once(folder, recipe string, do func(dir string) error) error {
	turn, _ := e.installing.LoadOrStore(folder, &sync.Mutex{}) // rows that share an installation wait for each other
	turn.(*sync.Mutex).Lock()
	defer turn.(*sync.Mutex).Unlock()
	dir := filepath.Join(e.work, folder)
	done := filepath.Join(dir, ".done")
	if old, err := os.ReadFile(done); err == nil && string(old) == recipe {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := do(dir); err != nil {
		return err
	}
	return os.WriteFile(done, []byte(recipe), 0o644)
}

// runAll starts the shared broker and works through the rows, e.jobs at a time, those that take longest first.
func (e *env) runAll(ctx context.Context, selected []row) error {
	var shared broker
	if slices.ContainsFunc(selected, func(r row) bool { return !r.ownBroker }) {
		b, err := e.newBroker("shared")
		if err != nil {
			return err
		}
		if err := b.start(ctx); err != nil {
			return fmt.Errorf("start the broker: %w", err)
		}
		shared = b
		fmt.Printf("%s at %s\n", e.kind(), b.addr())
	}
	ordered := slices.Clone(selected)
	slices.SortStableFunc(ordered, func(a, b row) int { return weight(b) - weight(a) })
	var jobs []func() error
	for _, r := range ordered {
		jobs = append(jobs, func() error { e.runRow(ctx, r, shared); return nil })
	}
	if err := parallel(e.jobs, jobs); err != nil {
		return err
	}
	if shared != nil {
		start := time.Now()
		if err := shared.stop(); err != nil { // a panic in its log, too
			e.report.add("shared broker", "stop", result{verdict: failedVerdict, took: time.Since(start), why: err.Error()})
		}
		fmt.Printf("%s stopped (%.1f s)\n", e.kind(), time.Since(start).Seconds())
	}
	return ctx.Err()
}

func weight(r row) int {
	switch {
	case r.section == "stock tools":
		return 3
	case r.ownBroker:
		return 2
	}
	return 1
}

func (e *env) runRow(ctx context.Context, r row, shared broker) {
	start := time.Now()
	kind := e.kind()
	var left []string
	for _, s := range r.selected {
		why, not := r.notOn[kind][s]
		if !not {
			why, not = r.notOn[kind][""]
		}
		if not {
			e.report.add(r.name, s, result{verdict: skipped, why: why})
		} else {
			left = append(left, s)
		}
	}
	if len(left) == 0 {
		return
	}
	r.selected = left
	if err := r.run(ctx, e, r, shared); err != nil {
		for _, s := range r.selected {
			if !e.report.has(r.name, s) {
				e.report.add(r.name, s, result{verdict: failedVerdict, why: err.Error()})
			}
		}
	}
	fmt.Printf("%s (%.0f s)\n", r.name, time.Since(start).Seconds())
}

// each runs the row's selected scenarios by functions of the runner itself.
func each(ctx context.Context, e *env, r row, do map[string]func(context.Context) error) error {
	for _, s := range r.selected {
		fn, ok := do[s]
		if !ok {
			return fmt.Errorf("scenario %s of %s is listed but not written", s, r.name)
		}
		start := time.Now()
		limited, cancel := context.WithTimeout(ctx, 6*time.Minute)
		err := fn(limited)
		cancel()
		res := result{took: time.Since(start)}
		switch {
		case errors.Is(err, errSkip):
			res.verdict, res.why = skipped, err.Error()
		case err != nil:
			res.verdict, res.why = failedVerdict, err.Error()
		}
		e.report.add(r.name, s, res)
	}
	return nil
}

// errSkip is wrapped by what a scenario cannot find out on this machine or broker.
var errSkip = errors.New("skipped")

// program runs a client program, which prints a line per scenario (see python/harness.py), and adds its lines to the report.
func (e *env) program(ctx context.Context, r row, extraEnv []string, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	log, err := os.Create(filepath.Join(e.tmp, r.name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, name, append(args, "^("+strings.Join(r.selected, "|")+")$")...)
	cmd.Env = append(os.Environ(), extraEnv...)
	cmd.Stderr = log
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	n := 0
	for in := bufio.NewScanner(out); in.Scan(); {
		fmt.Fprintln(log, in.Text())
		word, rest, _ := strings.Cut(in.Text(), " ")
		scenario, rest, _ := strings.Cut(rest, " ")
		seconds, why, _ := strings.Cut(rest, " ")
		took, err := time.ParseDuration(seconds + "s")
		v := slices.Index([]string{"ok", "skip", "FAIL"}, word)
		if v < 0 || err != nil {
			continue // something the client printed
		}
		n++
		e.report.add(r.name, scenario, result{verdict(v), took, why})
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("the client program ended with %w: %s", err, lastLine(log.Name()))
	}
	if n == 0 {
		return fmt.Errorf("the client program ran none of %v: %s", r.selected, lastLine(log.Name()))
	}
	return nil
}

// lastLine is the last line of a log that says something.
func lastLine(file string) string {
	b, _ := os.ReadFile(file)
	b = bytes.TrimSpace(b)
	return string(b[bytes.LastIndexByte(b, '\n')+1:])
}

// command runs a program to its end and returns its standard output; an error holds the end of what it said.
func (e *env) command(ctx context.Context, name string, args ...string) (string, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &errs, 5*time.Second
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(errs.String() + out.String())
		return out.String(), fmt.Errorf("%s: %w: %s", filepath.Base(name), err, said[max(0, len(said)-600):])
	}
	return out.String(), nil
}

// parallel runs jobs, n at a time, and returns their errors.
func parallel(n int, jobs []func() error) error {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error // guarded by mu
		next = make(chan func() error)
	)
	for range n {
		wg.Go(func() {
			for job := range next {
				if err := job(); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, job := range jobs {
		next <- job
	}
	close(next)
	wg.Wait()
	return errors.Join(errs...)
}
