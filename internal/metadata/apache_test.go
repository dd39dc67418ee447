package metadata

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const apacheAnswers = "testdata/apache-4.3.1.txt"

// TestRecordApacheAnswers writes what a fresh Apache Kafka 4.3.1 with node id 1 answers to apacheCases. It runs only when
// GOKAFKA_RECORD names the broker's address.
func TestRecordApacheAnswers(t *testing.T) {
	addr := os.Getenv("GOKAFKA_RECORD")
	if addr == "" {
		t.Skip("GOKAFKA_RECORD names no broker")
	}
	var b strings.Builder
	for _, c := range apacheCases {
		if resp, err := askApache(addr, c.req); err != nil {
			fmt.Fprintf(&b, "== %s\nno answer: %v\n\n", c.name, err)
		} else {
			fmt.Fprintf(&b, "%s\n", renderAnswer(c.name, resp))
		}
	}
	if err := os.WriteFile(apacheAnswers, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func askApache(addr string, req kmsg.Request) (kmsg.Response, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("recorder")).AppendRequest(nil, req, 1)
	if _, err := conn.Write(frame); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, err
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if body = body[4:]; resp.IsFlexible() {
		body = body[1:]
	}
	return resp, resp.ReadFrom(body)
}

// renderAnswer writes a response so that two brokers' answers can be compared: ids, times and offsets masked, lists
// whose order Kafka leaves to a hash map sorted, one line per element.
func renderAnswer(name string, resp kmsg.Response) string {
	var b strings.Builder
	fmt.Fprintf(&b, "== %s\n", name)
	v := reflect.ValueOf(resp).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch {
		case f.Name == "Version" || f.Name == "UnknownTags" || f.Name == "ThrottleMillis":
		case v.Field(i).Kind() == reflect.Slice:
			var lines []string
			for j := range v.Field(i).Len() {
				lines = append(lines, "  "+renderValue(v.Field(i).Index(j))+"\n")
			}
			if _, ok := resp.(*kmsg.CreateTopicsResponse); !ok {
				sort.Strings(lines)
			}
			fmt.Fprintf(&b, "%s:\n%s", f.Name, strings.Join(lines, ""))
		default:
			fmt.Fprintf(&b, "%s: %s\n", f.Name, renderValue(v.Field(i)))
		}
	}
	return b.String()
}

func renderValue(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "null"
		}
		return renderValue(v.Elem())
	case reflect.Slice:
		var parts []string
		for i := range v.Len() {
			parts = append(parts, renderValue(v.Index(i)))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case reflect.Array:
		if v.IsZero() {
			return "0"
		}
		return "id"
	case reflect.Struct:
		var parts []string
		for i := range v.NumField() {
			switch name := v.Type().Field(i).Name; name {
			case "UnknownTags", "Documentation":
			case "HighWatermark", "LogEndOffset", "LastFetchTimestamp", "LastCaughtUpTimestamp", "LeaderEpoch", "Port":
				if masked := "n"; v.Field(i).Kind() != reflect.Uint16 && v.Field(i).Int() < 0 {
					parts = append(parts, name+":-1")
				} else {
					parts = append(parts, name+":"+masked)
				}
			default:
				parts = append(parts, name+":"+renderValue(v.Field(i)))
			}
		}
		return "{" + strings.Join(parts, " ") + "}"
	case reflect.String:
		j, _ := json.Marshal(v.String())
		return string(j)
	default:
		return fmt.Sprint(v.Interface())
	}
}
