package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

func TestValidateChange(t *testing.T) {
	c, _, err := New([]Entry{{Key: "log.dirs", Value: "/a, /b"}, {Key: "log.cleaner.threads", Value: "4"}, {Key: "node.id", Value: "1"}, {Key: "cordoned.log.dirs", Value: "/b"}}, Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.CordonedLogDirs(); len(got) != 1 || got[0] != "/b" {
		t.Errorf("cordoned: %v", got)
	}
	for _, change := range []struct{ key, value, want string }{
		{"log.cleaner.threads", "8", ""},
		{"log.cleaner.threads", "9", "Log cleaner threads cannot be increased to more than double the current value 4"},
		{"log.cleaner.threads", "2", ""},
		{"log.cleaner.threads", "1", "Log cleaner threads cannot be reduced to less than half the current value 4"},
		{"log.cleaner.threads", "0", "Log cleaner threads should be at least 1"},
		{"cordoned.log.dirs", "/a", ""},
		{"cordoned.log.dirs", "*", ""},
		{"cordoned.log.dirs", "", ""},
		{"cordoned.log.dirs", "/a,/c", "Invalid entry in cordoned.log.dirs: /c. All cordoned log dirs must be entries of log.dirs or log.dir."},
	} {
		err := c.ValidateChange(map[string]string{change.key: change.value})
		if change.want == "" && err != nil || change.want != "" && (err == nil || err.Error() != change.want || !errors.Is(err, kerr.InvalidRequest)) {
			t.Errorf("%s=%s: %v, want %q", change.key, change.value, err, change.want)
		}
		if change.want == "" {
			if err := ValidateBroker(change.key, change.value, true); err != nil {
				t.Errorf("%s=%s: %v", change.key, change.value, err)
			}
		}
	}
	all, err := c.WithDynamic(nil, map[string]string{"cordoned.log.dirs": "*"})
	if err != nil || len(all.CordonedLogDirs()) != 2 {
		t.Errorf("*: %v, %v", all.CordonedLogDirs(), err)
	}
	for value, want := range map[string]string{"/c": "these are not: /c", "*,/a": "must not contain other values"} {
		_, _, err := New([]Entry{{Key: "log.dirs", Value: "/a,/b"}, {Key: "node.id", Value: "1"}, {Key: "cordoned.log.dirs", Value: value}}, Defaults{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("cordoned.log.dirs=%s: %v", value, err)
		}
	}
}
