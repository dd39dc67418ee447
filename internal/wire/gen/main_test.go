package main

import (
	"bytes"
	"go/format"
	"os"
	"testing"
)

// TestGeneratedIsCurrent fails when somebody has changed a schema.txt, or a generated file, alone.
func TestGeneratedIsCurrent(t *testing.T) {
	for _, folder := range []string{"../../metadata/records", "../../coordinator/records"} {
		schema, err := os.ReadFile(folder + "/schema.txt")
		if err != nil {
			t.Fatal(err)
		}
		messages, err := parse(string(schema))
		if err != nil {
			t.Fatal(err)
		}
		want, err := format.Source(generate(messages))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(folder + "/zz_generated.go")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s/zz_generated.go is not what schema.txt says: run go generate", folder)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"thing 1 X 0-0\n",
		"record x X 0-0\n",
		"record 1 X 0-y\n",
		"struct X\n\tA int32 since\n",
		"struct X\n\tA int32 tag x\n",
		"struct X\n\tA int32 at 1\n",
	} {
		if _, err := parse(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
