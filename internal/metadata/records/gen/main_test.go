package main

import (
	"bytes"
	"go/format"
	"os"
	"testing"
)

// TestGeneratedIsCurrent fails when somebody has changed schema.txt, or the generated file, alone.
func TestGeneratedIsCurrent(t *testing.T) {
	schema, err := os.ReadFile("../schema.txt")
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
	got, err := os.ReadFile("../zz_generated.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("zz_generated.go is not what schema.txt says: run go generate")
	}
}
