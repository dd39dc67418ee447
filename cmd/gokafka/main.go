// Command gokafka is a Kafka broker. See package cli for its commands.
package main

import (
	"os"

	"github.com/gokafka/gokafka/internal/cli"
)

// version is set by the build: -ldflags '-X main.version=v1.2.3'.
var version = "devel"

func main() { os.Exit(cli.Main(version)) }
