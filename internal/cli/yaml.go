package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// writeYAML writes data as YAML with the names and the order that it has as JSON, of which YAML is a superset: a text that YAML could take for something
// else is written as JSON writes it.
func writeYAML(w io.Writer, data any) error {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(data); err != nil {
		return err
	}
	d := json.NewDecoder(&text)
	d.UseNumber()
	var out bytes.Buffer
	if err := yamlValue(&out, d, 0); err != nil {
		return err
	}
	_, err := w.Write(bytes.TrimPrefix(out.Bytes(), []byte("\n")))
	return err
}

// yamlValue writes the next value of d behind a "key:" or a "-" at the given depth.
func yamlValue(out *bytes.Buffer, d *json.Decoder, depth int) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	open, nested := token.(json.Delim)
	if !nested {
		text, err := yamlScalar(token)
		out.WriteString(" " + text + "\n")
		return err
	}
	if !d.More() {
		out.WriteString(map[json.Delim]string{'{': " {}\n", '[': " []\n"}[open])
		_, err := d.Token()
		return err
	}
	indent := strings.Repeat("  ", depth)
	first := true
	for d.More() {
		lead := indent
		if first && bytes.HasSuffix(out.Bytes(), []byte("-")) {
			lead = " " // the first key stands behind the dash
		} else if first {
			out.WriteString("\n")
		}
		first = false
		if open == '[' {
			out.WriteString(lead + "-")
		} else {
			key, err := d.Token()
			if err != nil {
				return err
			}
			text, err := yamlScalar(key)
			if err != nil {
				return err
			}
			out.WriteString(lead + text + ":")
		}
		if err := yamlValue(out, d, depth+1); err != nil {
			return err
		}
	}
	_, err = d.Token() // the closing one
	return err
}

// plain are texts that mean themselves in YAML.
var plain = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./@+-]*$`)

func yamlScalar(token json.Token) (string, error) {
	s, ok := token.(string)
	if !ok {
		if token == nil {
			return "null", nil
		}
		return fmt.Sprint(token), nil
	}
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
	default:
		if plain.MatchString(s) {
			return s, nil
		}
	}
	var quoted bytes.Buffer
	e := json.NewEncoder(&quoted)
	e.SetEscapeHTML(false)
	err := e.Encode(s)
	return strings.TrimSuffix(quoted.String(), "\n"), err
}
