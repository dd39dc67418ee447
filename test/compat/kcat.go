package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// kcatRow is kcat, the command line of librdkafka (2.0.2 in Debian 12).
func kcatRow() row {
	return row{
		name: "kcat", section: "client", install: needKcat,
		scenarios: []string{"tutorial", "records", "codecs", "acks", "idempotent", "empty", "group", "seek", "times", "topics"},
		run: func(ctx context.Context, e *env, r row, b broker) error {
			k := &kcat{e, b.addr(), fmt.Sprintf("kcat-%x", time.Now().UnixMilli()&0xffffff)}
			return each(ctx, e, r, map[string]func(context.Context) error{
				"tutorial": k.tutorial, "records": k.records, "codecs": k.codecs, "acks": k.acks, "idempotent": k.idempotent, "empty": k.empty,
				"group": k.group, "seek": k.seek, "times": k.times, "topics": k.topics,
			})
		},
	}
}

type kcat struct {
	e    *env
	addr string
	name string
}

// kcat runs it and returns its standard output.
func (k *kcat) kcat(ctx context.Context, input string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, "kcat", append([]string{"-b", k.addr}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = strings.NewReader(input), &out, &errs, time.Second
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kcat %s: %w: %s", strings.Join(args, " "), err, tail(errs.String()+out.String()))
	}
	return out.String(), nil
}

// prints fails unless kcat ends well and prints want.
func (k *kcat) prints(ctx context.Context, want string, args ...string) error {
	got, err := k.kcat(ctx, "", args...)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("kcat %s printed %.200q, want %.200q", strings.Join(args, " "), got, want)
	}
	return nil
}

func (k *kcat) produce(ctx context.Context, word string, n int, args ...string) (string, error) {
	topic := k.name + "-" + word
	_, err := k.kcat(ctx, lines("m", n), append([]string{"-P", "-t", topic}, args...)...)
	return topic, err
}

func (k *kcat) tutorial(ctx context.Context) error {
	topic, err := k.produce(ctx, "tutorial", 10)
	if err != nil {
		return err
	}
	return first(
		func() error { return k.prints(ctx, lines("m", 10), "-C", "-e", "-q", "-t", topic, "-o", "beginning") },
		func() error { return k.prints(ctx, "m7\nm8\nm9\n", "-C", "-e", "-q", "-t", topic, "-o", "-3") },
	)
}

func (k *kcat) records(ctx context.Context) error {
	topic := k.name + "-records"
	if _, err := k.kcat(ctx, "key:value\n", "-P", "-t", topic, "-K:", "-H", "h1=one", "-H", "h2=two"); err != nil {
		return err
	}
	if _, err := k.kcat(ctx, "gone:\n", "-P", "-t", topic, "-K:", "-Z"); err != nil {
		return err
	}
	return k.prints(ctx, "0 0 key value 5 h1=one,h2=two\n0 1 gone  -1 \n",
		"-C", "-e", "-q", "-t", topic, "-o", "beginning", "-f", "%p %o %k %s %S %h\n")
}

// codecs also looks at the batches: librdkafka up to 2.11 silently sends uncompressed when the broker's API ranges do not contain its marker versions.
func (k *kcat) codecs(ctx context.Context) error {
	for _, codec := range []string{"gzip", "snappy", "lz4", "zstd"} {
		topic, err := k.produce(ctx, codec, 500, "-z", codec, "-X", "linger.ms=50")
		if err != nil {
			return err
		}
		if err := k.prints(ctx, lines("m", 500), "-C", "-e", "-q", "-t", topic, "-o", "beginning", "-X", "check.crcs=true"); err != nil {
			return err
		}
		out, err := k.e.command(ctx, k.e.goClients(), "codecs", k.addr, topic)
		if err != nil {
			return err
		}
		if !strings.Contains(out, codec) { // a batch that does not get smaller goes as it is, so "none" may be there, too
			return fmt.Errorf("batches came as %q, want %s", out, codec)
		}
	}
	return nil
}

func (k *kcat) acks(ctx context.Context) error {
	for _, level := range []string{"0", "1", "all"} {
		topic, err := k.produce(ctx, "acks-"+level, 100, "-X", "acks="+level)
		if err != nil {
			return err
		}
		if err := k.prints(ctx, lines("m", 100), "-C", "-e", "-q", "-t", topic, "-o", "beginning"); err != nil {
			return err
		}
	}
	return nil
}

func (k *kcat) idempotent(ctx context.Context) error {
	topic, err := k.produce(ctx, "idempotent", 5000, "-X", "enable.idempotence=true")
	if err != nil {
		return err
	}
	return k.prints(ctx, lines("m", 5000), "-C", "-e", "-q", "-t", topic, "-o", "beginning")
}

func (k *kcat) empty(ctx context.Context) error {
	topic, err := k.produce(ctx, "empty", 1)
	if err != nil {
		return err
	}
	return k.prints(ctx, "", "-C", "-e", "-q", "-t", topic, "-o", "end")
}

func (k *kcat) group(ctx context.Context) error {
	topic, err := k.produce(ctx, "group", 10)
	if err != nil {
		return err
	}
	member := []string{"-G", topic + "-g", "-q", "-X", "auto.offset.reset=earliest", topic}
	return first(
		func() error { return k.prints(ctx, lines("m", 10), append([]string{"-c", "10"}, member...)...) },
		func() error { _, err := k.kcat(ctx, "late\n", "-P", "-t", topic); return err },
		func() error { return k.prints(ctx, "late\n", append([]string{"-c", "1"}, member...)...) },
	)
}

func (k *kcat) seek(ctx context.Context) error {
	topic, err := k.produce(ctx, "seek", 20)
	if err != nil {
		return err
	}
	for _, o := range []int{0, 13, 19} {
		if err := k.prints(ctx, fmt.Sprint("m", o, "\n"), "-C", "-q", "-c", "1", "-t", topic, "-p", "0", "-o", fmt.Sprint(o)); err != nil {
			return err
		}
	}
	return nil
}

func (k *kcat) times(ctx context.Context) error {
	before := time.Now().UnixMilli()
	topic, err := k.produce(ctx, "times", 5)
	if err != nil {
		return err
	}
	return first(
		func() error {
			return k.prints(ctx, lines("m", 5), "-C", "-e", "-q", "-t", topic, "-o", fmt.Sprint("s@", before))
		},
		func() error {
			return k.prints(ctx, topic+" [0] offset 0\n", "-Q", "-t", fmt.Sprint(topic, ":0:", before))
		},
		func() error { return k.prints(ctx, topic+" [0] offset -1\n", "-Q", "-t", topic+":0:4102444800000") },
	)
}

func (k *kcat) topics(ctx context.Context) error {
	topic, err := k.produce(ctx, "topics", 1)
	if err != nil {
		return err
	}
	out, err := k.kcat(ctx, "", "-L", "-t", topic)
	if err != nil {
		return err
	}
	for _, want := range []string{"1 brokers:", " at " + k.addr, fmt.Sprintf("topic %q with 1 partitions:", topic), "partition 0, leader "} {
		if !strings.Contains(out, want) {
			return fmt.Errorf("kcat -L: no %q in %s", want, tail(out))
		}
	}
	return nil
}
