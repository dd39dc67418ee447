package cli

import (
	"context"
	"net"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
)

// notifier speaks the protocol of systemd's Type=notify: datagrams of NAME=value lines to the socket that NOTIFY_SOCKET names. The zero value says
// nothing to anybody.
type notifier struct {
	socket   string        // a path, or @name in the abstract namespace
	watchdog time.Duration // how often WATCHDOG=1 must come at least; 0 for never
	log      *zap.Logger
}

// newNotifier reads what the service manager asks for. A watchdog meant for another process is none.
func newNotifier(environ []string, pid int, log *zap.Logger) notifier {
	vars := map[string]string{}
	for _, v := range environ {
		if name, value, ok := strings.Cut(v, "="); ok {
			vars[name] = value
		}
	}
	n := notifier{socket: vars["NOTIFY_SOCKET"], log: log}
	if owner := vars["WATCHDOG_PID"]; owner == "" || owner == strconv.Itoa(pid) {
		if usec, err := strconv.ParseInt(vars["WATCHDOG_USEC"], 10, 64); err == nil && usec > 0 {
			n.watchdog = time.Duration(usec) * time.Microsecond
		}
	}
	return n
}

// send tells the service manager; that it does not listen is no reason to end.
func (n notifier) send(lines ...string) {
	if n.socket == "" {
		return
	}
	if err := n.write(strings.Join(lines, "\n")); err != nil {
		n.log.Warn("cannot tell the service manager", zap.String("socket", n.socket), zap.Error(err))
	}
}

func (n notifier) write(state string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte(state))
	return err
}

// ready says that the broker serves, feeds the watchdog, and says when ctx ends that it stops. The goroutine behind it ends with ctx; release waits
// for what it has begun to say.
func (n notifier) ready(ctx context.Context, status string) (release func()) {
	if n.socket == "" {
		return func() {}
	}
	n.send("READY=1", "STATUS="+status)
	done := make(chan struct{})
	quit, stop := context.WithCancel(ctx)
	go func() { // ends with quit; release waits for it
		defer close(done)
		n.feed(quit)
		if ctx.Err() != nil {
			n.send("STOPPING=1")
		}
	}()
	return func() {
		stop()
		<-done
	}
}

// feed sends WATCHDOG=1 twice per interval until ctx ends.
func (n notifier) feed(ctx context.Context) {
	if n.watchdog <= 0 {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(n.watchdog / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			n.send("WATCHDOG=1")
		}
	}
}
