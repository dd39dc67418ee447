package exchange

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// gokafkaBin is the binary under test, built once.
var gokafkaBin string

func TestMain(m *testing.M) {
	if why := missing(); why != "" {
		fmt.Println("skipped:", why)
		return
	}
	dir, err := os.MkdirTemp("", "exchange")
	if err != nil {
		panic(err)
	}
	gokafkaBin = filepath.Join(dir, "gokafka")
	build := exec.Command("go", "build", "-o", gokafkaBin, "../../cmd/gokafka")
	build.Stderr = os.Stderr
	code := 1
	if err := build.Run(); err != nil {
		fmt.Println(err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// missing says what these tests lack, "" when nothing.
func missing() string {
	if os.Getenv("GOKAFKA_EXCHANGE") == "" {
		return "the exchange with Apache Kafka is tested with GOKAFKA_EXCHANGE=1 (make exchange)"
	}
	cache := os.Getenv("KAFKA_PEER_CACHE")
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return err.Error()
		}
		cache = filepath.Join(dir, "kafka-peer")
	}
	for _, v := range []string{"kafka-4", "kafka-28"} {
		if _, err := os.Stat(filepath.Join(cache, v, ".done")); err != nil {
			return fmt.Sprintf("no %s in %s: run test/compat/kafka/fetch.sh", v, cache)
		}
	}
	return ""
}
