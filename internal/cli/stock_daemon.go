package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// daemonGrace is how long a server in the background is watched for ending at once, as it does with a mistake in its configuration.
const daemonGrace = 500 * time.Millisecond

// daemon starts the script once more without -daemon, detached from this terminal and session, with its output in a file of the folder where Kafka's scripts
// put it: $LOG_DIR, or logs beside the bin folder of the script.
func (c stockCall) daemon(outputName string) int {
	dir := c.logDir()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return c.explain(fmt.Sprintf("%v; LOG_DIR names another folder for the output", err))
	}
	name := filepath.Join(dir, outputName)
	out, err := os.Create(name)
	if err != nil {
		return c.explain(fmt.Sprintf("%v; LOG_DIR names another folder for the output", err))
	}
	defer out.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return c.explain(err.Error())
	}
	defer null.Close()
	self, err := os.Executable()
	if err != nil {
		return c.explain(err.Error())
	}
	process, err := os.StartProcess(self, append([]string{self, c.name}, c.args...), &os.ProcAttr{Env: c.environ, Files: []*os.File{null, out, out}, Sys: detached()})
	if err != nil {
		return c.explain(err.Error())
	}
	ended := make(chan *os.ProcessState, 1)
	go func() { // ends with the server, or with this process
		state, _ := process.Wait()
		ended <- state
	}()
	timer := time.NewTimer(daemonGrace)
	defer timer.Stop()
	select {
	case state := <-ended:
		if state != nil && state.Success() {
			return 0
		}
		fmt.Fprintf(c.stderr, "%s: the server has ended at once. %s has:\n%s", c.name, name, lastLines(name))
		return 1
	case <-timer.C:
		return 0
	}
}

// logDir is where the output of a server in the background goes.
func (c stockCall) logDir() string {
	for _, e := range c.environ {
		if dir, ok := strings.CutPrefix(e, "LOG_DIR="); ok && dir != "" {
			return dir
		}
	}
	if strings.ContainsRune(c.self, filepath.Separator) {
		if bin, err := filepath.Abs(filepath.Dir(c.self)); err == nil && filepath.Base(bin) == "bin" {
			return filepath.Join(filepath.Dir(bin), "logs")
		}
	}
	return "logs"
}

// lastLines is the end of a file.
func lastLines(name string) string {
	const most = 4096
	f, err := os.Open(name)
	if err != nil {
		return err.Error() + "\n"
	}
	defer f.Close()
	if _, err := f.Seek(-most, io.SeekEnd); err != nil && !errors.Is(err, os.ErrInvalid) {
		_, _ = f.Seek(0, io.SeekStart) // it is shorter
	}
	text, _ := io.ReadAll(f)
	return string(text)
}
