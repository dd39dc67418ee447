package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// stopOnSignal returns a context that the first SIGINT, SIGTERM or SIGHUP ends. A second one ends the process at once, with status 128 plus its
// number. A SIGHUP that is ignored, as under nohup, stays so. stop ends the watching and waits for it.
func stopOnSignal(parent context.Context, stderr io.Writer) (ctx context.Context, stop func()) {
	watched := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		watched = append(watched, syscall.SIGHUP)
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, watched...)
	ctx, cancel := context.WithCancel(parent)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() { // ends with quit; stop waits for it
		defer close(done)
		select {
		case s := <-signals:
			fmt.Fprintf(stderr, "gokafka: %v, stopping (once more to stop at once)\n", s)
			cancel()
		case <-quit:
			return
		}
		select {
		case s := <-signals:
			number, _ := s.(syscall.Signal)
			os.Exit(128 + int(number))
		case <-quit:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(quit)
		<-done
		cancel()
	}
}
