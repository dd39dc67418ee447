package client

import (
	"errors"
	"fmt"
	"strings"
	"text/scanner"
)

// jaasModule is one entry of a JAAS configuration, as in the property sasl.jaas.config:
//
//	org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="secret";
type jaasModule struct {
	class   string
	options map[string]string
}

// parseJaas reads the first module.
func parseJaas(text string) (jaasModule, error) {
	fields, err := jaasFields(text)
	if err != nil {
		return jaasModule{}, err
	}
	if len(fields) < 2 {
		return jaasModule{}, errors.New("sasl.jaas.config is not `LoginModuleClass required key=\"value\" …;`")
	}
	m := jaasModule{class: fields[0], options: map[string]string{}}
	switch strings.ToLower(fields[1]) {
	case "required", "requisite", "sufficient", "optional":
	default:
		return jaasModule{}, fmt.Errorf("sasl.jaas.config: after the class comes `required`, not %q", fields[1])
	}
	for _, f := range fields[2:] {
		key, value, ok := strings.Cut(f, "=")
		if !ok {
			return jaasModule{}, fmt.Errorf("sasl.jaas.config: %q is not key=\"value\"", f)
		}
		m.options[key] = value
	}
	return m, nil
}

// jaasFields splits at spaces up to the semicolon; quotes hold spaces and semicolons together and are taken off.
func jaasFields(text string) ([]string, error) {
	var fields []string
	var field strings.Builder
	end := func() {
		if field.Len() > 0 {
			fields = append(fields, field.String())
			field.Reset()
		}
	}
	quote := rune(0)
	var s scanner.Scanner
	s.Init(strings.NewReader(text))
	s.Error = func(*scanner.Scanner, string) {}
	for r := s.Next(); r != scanner.EOF; r = s.Next() {
		switch {
		case quote != 0 && r == '\\':
			field.WriteRune(s.Next())
		case r == quote:
			quote = 0
		case quote != 0:
			field.WriteRune(r)
		case r == '"' || r == '\'':
			quote = r
		case r == ';':
			end()
			return fields, nil
		case r == ' ' || r == '\t' || r == '\n' || r == '\r':
			end()
		default:
			field.WriteRune(r)
		}
	}
	if quote != 0 {
		return nil, errors.New("sasl.jaas.config: a quote is not closed")
	}
	return nil, errors.New("sasl.jaas.config: the semicolon at its end is missing")
}
