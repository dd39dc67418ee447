package api

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestEveryVersionAnswers sends requests of every advertised version of every API, once with the defaults of the
// protocol and once with something in every field, and decodes each answer in its version: a hole in a range would show
// as a dropped connection, a field of the wrong version as bytes left over.
func TestEveryVersionAnswers(t *testing.T) {
	tb := newTestBroker(t)
	tb.createTopic("t", 2)
	for key, e := range table {
		if !e.served() {
			continue
		}
		name := kmsg.NameForKey(int16(key))
		if name == "Unknown" {
			t.Errorf("key %d is served and has no name", key)
			continue
		}
		t.Run(name, func(t *testing.T) {
			for version := e.min; version <= e.max; version++ {
				for _, filled := range []bool{false, true} {
					sweep(t, tb, int16(key), version, filled)
				}
			}
		})
	}
}

func sweep(t *testing.T, tb *testBroker, key, version int16, filled bool) {
	req := kmsg.RequestForKey(key)
	if version > req.MaxVersion() {
		t.Fatalf("version %d is advertised and kmsg knows up to %d", version, req.MaxVersion())
	}
	req.SetVersion(version)
	if d, ok := req.(interface{ Default() }); ok {
		d.Default()
	}
	if filled {
		fill(reflect.ValueOf(req).Elem())
		req.SetVersion(version)
	}
	// What waits for other members or for records is cut short; all else answers long before.
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c := tb.client()
	c.t = t
	resp, err := c.send(ctx, req)
	if err != nil {
		t.Errorf("version %d, filled %v: %v", version, filled, err)
		return
	}
	if produce, ok := req.(*kmsg.ProduceRequest); resp == nil && !(ok && produce.Acks == 0) {
		t.Errorf("version %d, filled %v: no answer", version, filled)
	}
}

// fill puts something into every field: one element into every list, "t" into every string, 1 into every number.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Name != "UnknownTags" && f.Name != "Version" {
				fill(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Array:
		fill(v.Index(0))
	case reflect.String:
		v.SetString("t")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Int:
		v.SetInt(1)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Float64:
		v.SetFloat(1)
	default:
		panic(fmt.Sprintf("a field of kind %s", v.Kind()))
	}
}
