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

	"github.com/google/go-cmp/cmp"
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

// apacheDiffers names the cases that are not compared, and why.
var apacheDiffers = map[string]string{
	"create: most partitions":         "answered the same, but Kafka's controller resigns over it, which the next case feels",
	"create: far too many partitions": "Kafka has no controller at that moment",
	"alter: unknown operation":        "Kafka's controller fails with a NullPointerException and resigns; we refuse it",
	"alter: broker result":            "asked before Kafka's broker had heard of the change",
	"alter: mixed result":             "asked before Kafka's broker had heard of the change",
	"legacy alter: duplicates":        "Kafka never answers; the api refuses what is there twice",

	// These are answered by the broker before the controller hears of them: package api.
	"alter: duplicate key": "api", "alter: duplicate resource": "api", "alter: unknown kind": "api", "alter: other broker": "api",
	"alter: broker errors": "api", "alter: broker read-only": "api", "alter: broker default per-broker key": "api",
	"alter: broker append to no list": "api", "legacy alter: errors": "api",
}

// TestAnswersAreApaches sends every case to our controller and compares the answer with the recorded one.
func TestAnswersAreApaches(t *testing.T) {
	text, err := os.ReadFile(apacheAnswers)
	if err != nil {
		t.Fatal(err)
	}
	recorded := map[string]string{}
	for _, part := range strings.Split("\n"+string(text), "\n== ")[1:] {
		name, answer, _ := strings.Cut(part, "\n")
		recorded[name] = strings.TrimSpace(answer)
	}
	n := newTestNode(t,
		"log.retention.hours", "168", "log.segment.bytes", "1073741824", "num.partitions", "1", // what kafka-up.sh sets
		"listeners", "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093", "controller.listener.names", "CONTROLLER",
		"listener.security.protocol.map", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT", "process.roles", "broker,controller",
		"controller.quorum.bootstrap.servers", "127.0.0.1:9093",
	).start()
	for _, c := range apacheCases {
		t.Run(c.name, func(t *testing.T) {
			why := apacheDiffers[c.name]
			if d, ok := c.req.(*kmsg.DescribeConfigsRequest); ok && why == "" {
				checkConfigs(t, n.image(), d, recorded[c.name])
				return
			}
			resp, err := n.local.Controller().Request(t.Context(), c.req)
			if why != "" {
				t.Skip(why)
			}
			if err != nil {
				t.Fatal(err)
			}
			wire := resp.AppendTo(nil)
			resp = c.req.ResponseKind()
			resp.SetVersion(c.req.GetVersion())
			if err := resp.ReadFrom(wire); err != nil {
				t.Fatal(err)
			}
			_, got, _ := strings.Cut(renderAnswer(c.name, resp), "\n")
			if diff := cmp.Diff(recorded[c.name], strings.TrimSpace(got)); diff != "" {
				t.Errorf("(-Apache +ours)\n%s", diff)
			}
		})
	}
}

// checkConfigs compares what is set with what Apache's DescribeConfigs showed as set.
func checkConfigs(t *testing.T, img *Image, req *kmsg.DescribeConfigsRequest, recorded string) {
	r := req.Resources[0]
	set := img.ConfigsOf(int8(r.ResourceType), r.ResourceName)
	source := "DYNAMIC_TOPIC_CONFIG"
	if int8(r.ResourceType) == ResourceBroker {
		source = "DYNAMIC_BROKER_CONFIG"
	}
	for _, name := range r.ConfigNames {
		value, ok := set[name]
		want := fmt.Sprintf("{Name:%q Value:%q ReadOnly:false IsDefault:false Source:%s", name, value, source)
		named := fmt.Sprintf("{Name:%q Value:", name)
		_, rest, found := strings.Cut(recorded, named)
		if !found {
			t.Fatalf("%s is not in %s", name, recorded)
		}
		entry, _, _ := strings.Cut(named+rest, "}")
		if apacheSet := strings.Contains(entry, "Source:"+source); apacheSet != ok || ok && !strings.HasPrefix(entry, want) {
			t.Errorf("%s = %q (set: %v), Apache: %s", name, value, ok, entry)
		}
	}
}
