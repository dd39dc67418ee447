package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// What a program needs that starts gokafka for itself, as a test does: to be told the address, and that the broker goes when the program goes.

// readyFile is what --ready-file holds.
type readyFile struct {
	PID       int             `json:"pid"`
	Version   string          `json:"version"`
	NodeID    int32           `json:"node_id"`
	ClusterID string          `json:"cluster_id"`
	Bootstrap string          `json:"bootstrap"` // host:port for bootstrap.servers
	LogDirs   []string        `json:"log_dirs"`
	Listeners []readyListener `json:"listeners"`
}

type readyListener struct {
	Name       string `json:"name"`
	Protocol   string `json:"protocol"`
	Bound      string `json:"bound"`
	Advertised string `json:"advertised,omitempty"`
}

// writeReadyFile puts where the broker can be reached into a file, which appears complete or not at all.
func (s started) writeReadyFile(name string) error {
	r := readyFile{PID: os.Getpid(), Version: s.version, NodeID: s.nodeID, ClusterID: s.clusterID, Bootstrap: s.bootstrap(), LogDirs: s.logDirs}
	for _, a := range s.addrs {
		r.Listeners = append(r.Listeners, readyListener{Name: a.Listener, Protocol: a.Protocol, Bound: a.Bound, Advertised: a.Advertised})
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.tmp")
	if err != nil {
		return fmt.Errorf("--ready-file: %w", err)
	}
	_, err = tmp.Write(append(text, '\n'))
	if err = errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("--ready-file: %w", err), os.Remove(tmp.Name()))
	}
	return nil
}

// removeReadyFile forgets an address at which nobody is.
func removeReadyFile(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--ready-file: %w", err)
	}
	return nil
}

// stopWithInput returns a context that ends when input does: the other end of the pipe is closed, or its process is gone, however it went. That works
// wherever there are pipes. The goroutine reads until then, which nothing but the end of the process can interrupt.
func stopWithInput(parent context.Context, input io.Reader, stderr io.Writer) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	go func() {
		_, _ = io.Copy(io.Discard, input) // an error is an end as well
		if ctx.Err() == nil {
			fmt.Fprintln(stderr, "gokafka: the end of standard input, stopping")
		}
		cancel()
	}()
	return ctx, cancel
}
