package cli

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"diffuse/internal/fault"
)

func TestAsInterrupted(t *testing.T) {
	saved := fault.New(fault.Interrupted, "diffuse train --resume x", "stopped at step 3: %w", context.Canceled)
	for _, c := range []struct {
		err  error
		code int
	}{
		{fmt.Errorf("download: %w", context.Canceled), 130},
		{fault.New(fault.Data, "", "download: %w", context.Canceled), 130},
		{saved, 130},
		{fault.New(fault.Data, "", "a damaged file"), 3}, // Ctrl-C came too late to matter
		{errors.New("disk full"), 1},
	} {
		if got := fault.Code(asInterrupted(c.err)); got != c.code {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.code)
		}
	}
	if got := asInterrupted(saved); got.Error() != saved.Error() {
		t.Errorf("%v became %v", saved, got)
	}
}

func TestAsksForJSON(t *testing.T) {
	for _, c := range []struct {
		args []string
		want bool
	}{
		{[]string{"version", "--json"}, true},
		{[]string{"--json=true", "--wrong"}, true},
		{[]string{"--json=false"}, false},
		{[]string{"config", "check", "--", "--json"}, false},
	} {
		if got := asksForJSON(c.args); got != c.want {
			t.Errorf("%v: %v", c.args, got)
		}
	}
}
