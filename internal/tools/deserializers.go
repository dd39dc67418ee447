package tools

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// deserializer shows the bytes of a key, value or header as Java's deserializer of the name would, followed by toString.
type deserializer func([]byte) ([]byte, error)

// serializationError is the exception of Java's deserializers.
func serializationError(format string, args ...any) error {
	return exception{kafkaErrors + "SerializationException", fmt.Sprintf(format, args...)}
}

const serialization = "org.apache.kafka.common.serialization."

// findDeserializer finds one by the name of Java's class.
func findDeserializer(class string) (deserializer, bool) {
	name, ok := strings.CutPrefix(class, serialization)
	if !ok {
		return nil, false
	}
	d, ok := deserializers[strings.TrimSuffix(name, "Deserializer")]
	return d, ok
}

var deserializers = map[string]deserializer{
	"String":    func(b []byte) ([]byte, error) { return b, nil },
	"ByteArray": func(b []byte) ([]byte, error) { return b, nil }, // Java shows the array's address, of no use to anyone
	"Bytes":     func(b []byte) ([]byte, error) { return escaped(b), nil },
	"ByteBuffer": func(b []byte) ([]byte, error) {
		return fmt.Appendf(nil, "java.nio.HeapByteBuffer[pos=0 lim=%d cap=%d]", len(b), len(b)), nil
	},
	"Short": sized("Short", 2, func(b []byte) []byte { return strconv.AppendInt(nil, int64(int16(binary.BigEndian.Uint16(b))), 10) }),
	"Integer": sized("Integer", 4, func(b []byte) []byte {
		return strconv.AppendInt(nil, int64(int32(binary.BigEndian.Uint32(b))), 10)
	}),
	"Long": sized("Long", 8, func(b []byte) []byte { return strconv.AppendInt(nil, int64(binary.BigEndian.Uint64(b)), 10) }),
	"Float": sized("Float", 4, func(b []byte) []byte {
		return []byte(javaFloat(float64(math.Float32frombits(binary.BigEndian.Uint32(b))), 32))
	}),
	"Double": sized("Double", 8, func(b []byte) []byte {
		return []byte(javaFloat(math.Float64frombits(binary.BigEndian.Uint64(b)), 64))
	}),
	"Boolean": func(b []byte) ([]byte, error) {
		if len(b) != 1 {
			return nil, serializationError("Size of data received by BooleanDeserializer is not 1")
		}
		switch b[0] {
		case 0:
			return []byte("false"), nil
		case 1:
			return []byte("true"), nil
		}
		return nil, serializationError("Unexpected byte received by BooleanDeserializer: %d", int8(b[0]))
	},
	"UUID": func(b []byte) ([]byte, error) {
		u, ok := parseHexUUID(string(b))
		if !ok {
			return nil, serializationError("Error parsing data into UUID")
		}
		return []byte(u), nil
	},
	"Void": func(b []byte) ([]byte, error) {
		return nil, exception{illegalArgument, "Data should be null for a VoidDeserializer."}
	},
}

// sized is the deserializer of a number of n bytes.
func sized(name string, n int, show func([]byte) []byte) deserializer {
	return func(b []byte) ([]byte, error) {
		if len(b) != n {
			return nil, serializationError("Size of data received by %sDeserializer is not %d", name, n)
		}
		return show(b), nil
	}
}

// escaped shows bytes as Kafka's Bytes does: printable ASCII as it is, the rest as \xNN.
func escaped(b []byte) []byte {
	var out []byte
	for _, c := range b {
		if c >= ' ' && c <= '~' && c != '\\' {
			out = append(out, c)
		} else {
			out = fmt.Appendf(out, `\x%02X`, c)
		}
	}
	return out
}

// javaFloat shows a number as Java's toString does: with a point always, and with an exponent from 10⁷ and below 10⁻³.
func javaFloat(f float64, bits int) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	if size := math.Abs(f); size != 0 && (size < 1e-3 || size >= 1e7) {
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, bits), "e")
		n, _ := strconv.Atoi(exponent) // FormatFloat wrote it
		return withPoint(mantissa) + "E" + strconv.Itoa(n)
	}
	return withPoint(strconv.FormatFloat(f, 'f', -1, bits))
}

func withPoint(s string) string {
	if !strings.Contains(s, ".") {
		return s + ".0"
	}
	return s
}

// parseHexUUID reads a UUID as java.util.UUID does, whose groups may be short, and shows it in full.
func parseHexUUID(text string) (string, bool) {
	groups := strings.Split(text, "-")
	widths := []int{8, 4, 4, 4, 12}
	if len(groups) != len(widths) {
		return "", false
	}
	for i, g := range groups {
		n, err := strconv.ParseUint(g, 16, 64)
		if err != nil {
			return "", false
		}
		full := fmt.Sprintf("%0*x", widths[i], n)
		groups[i] = full[len(full)-widths[i]:]
	}
	return strings.Join(groups, "-"), true
}
