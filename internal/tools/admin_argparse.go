package tools

import (
	"context"
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/tools/argparse"
)

// parseArgs reads the command line of a tool of argparse4j's kind. Nil: the tool ends with the status; helpStatus is that after its help.
func (e *Env) parseArgs(p *argparse.Parser, args []string, helpStatus int) (ns *argparse.Namespace, status int) {
	ns, at, err := p.Parse(args)
	var refused *argparse.Error
	switch {
	case errors.Is(err, argparse.ErrHelp):
		at.PrintHelp(e.Stdout)
		return nil, helpStatus
	case errors.As(err, &refused):
		refused.Print(e.Stderr)
		return nil, 1
	}
	return ns, 0
}

// finish says what failed, as Kafka's newer tools do, and gives the exit status.
func (e *Env) finish(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return 0
	case ended(ctx, err):
		return interrupted
	}
	if text := err.Error(); text != "" {
		e.errorf("%s\n", text)
	}
	return 1
}

// endpoints are the options by which a tool finds brokers or controllers, one of which it needs.
type endpoints struct{ server, controller, config *argparse.Argument }

// target is what a tool has connected to.
type target struct {
	kmsg.Requestor
	client      *kgo.Client
	controllers bool
}

// dial connects to what the options say.
func (o endpoints) dial(ctx context.Context, ns *argparse.Namespace) (*target, error) {
	if ns.Has(o.controller) {
		c, err := connectControllers(ctx, ns.Value(o.controller), ns.Value(o.config))
		if err != nil {
			return nil, err
		}
		return &target{Requestor: c, client: c.cl, controllers: true}, nil
	}
	cl, err := connect(ctx, ns.Value(o.server), ns.Value(o.config))
	if err != nil {
		return nil, err
	}
	return &target{Requestor: cl, client: cl}, nil
}

// describeCluster asks for the cluster's id and its brokers, or for its controllers.
func (t *target) describeCluster(ctx context.Context, fenced bool) (*kmsg.DescribeClusterResponse, error) {
	req := kmsg.NewPtrDescribeClusterRequest()
	req.EndpointType = 1
	if t.controllers {
		req.EndpointType = 2
	}
	req.IncludeFencedBrokers = fenced
	resp, err := req.RequestWith(ctx, t)
	if err != nil {
		return nil, err
	}
	return resp, answered(resp.ErrorCode, resp.ErrorMessage)
}

// executionError shows an error as Java shows one of a future: with its class.
type executionError struct{ error }

func (e executionError) Error() string { return exceptionOf(e.error).String() }

// printTable prints rows as Kafka's tools do: columns filled up with blanks, and a tab behind each.
func (e *Env) printTable(header []string, rows [][]string) {
	widths := make([]int, len(header))
	all := append([][]string{header}, rows...)
	for _, row := range all {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	var b strings.Builder
	for _, row := range all {
		for i, cell := range row {
			b.WriteString(cell + strings.Repeat(" ", widths[i]-len(cell)) + "\t")
		}
		b.WriteString("\n")
	}
	e.printf("%s", b.String())
}
