// Command goclients drives the Go clients of Kafka against a broker, for make compat:
//
//	goclients CLIENT BROKER [REGEX]     run the scenarios whose name matches; a line "ok|skip|FAIL NAME SECONDS reason" for each
//	goclients codecs BROKER TOPIC       print the codecs of the topic's batches, as the broker hands them out
//	goclients load BROKER TOPIC FILE    produce to the topic until standard input closes; FILE gets a line per acknowledged record
//	goclients verify BROKER TOPIC FILE  read the topic and compare it with FILE
//	goclients hang BROKER TOPIC         leave transactions open in partitions 0 and 1 that no coordinator knows of; prints the producer ids
//
// The clients differ behind one small interface (driver); the scenarios are the same for all.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"github.com/gokafka/gokafka/test/hanging"
)

// drivers are the clients by the name of their row in the table.
var drivers = map[string]func(broker string) (driver, error){
	"franz-go":      newFranz,
	"kafka-go":      newSegmentio,
	"sarama-0.8.2":  func(b string) (driver, error) { return newSarama(b, sarama.V0_8_2_0) },
	"sarama-0.10.2": func(b string) (driver, error) { return newSarama(b, sarama.V0_10_2_0) },
	"sarama-1.0":    func(b string) (driver, error) { return newSarama(b, sarama.V1_0_0_0) },
	"sarama-newest": func(b string) (driver, error) { return newSarama(b, sarama.MaxVersion) },
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "goclients:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: goclients CLIENT BROKER [REGEX]")
	}
	name, broker, rest := args[0], args[1], append(args[2:], "", "")
	switch name {
	case "codecs":
		return printCodecs(broker, rest[0])
	case "hang":
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		ids, err := hanging.Leave(ctx, broker, rest[0])
		fmt.Println(ids[0], ids[1])
		return err
	case "load":
		return load(broker, rest[0], rest[1])
	case "verify":
		return verify(broker, rest[0], rest[1])
	}
	open, ok := drivers[name]
	if !ok {
		return fmt.Errorf("no client %q", name)
	}
	only, err := regexp.Compile(rest[0])
	if err != nil {
		return err
	}
	d, err := open(broker)
	if err != nil {
		return err
	}
	defer d.Close()
	for _, s := range scenarios {
		if only.MatchString(s.name) {
			fmt.Println(report(s, name, d))
		}
	}
	return nil
}

// report runs one scenario and returns its line.
func report(s scenario, client string, d driver) string {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	start := time.Now()
	err := s.run(&test{Context: ctx, driver: d, client: client})
	word := "ok"
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		word = "skip"
	case err != nil:
		word = "FAIL"
	}
	line := fmt.Sprintf("%s %s %.1f", word, s.name, time.Since(start).Seconds())
	if err != nil {
		line += " " + strings.Join(strings.Fields(err.Error()), " ")
	}
	return line
}
