package fault

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{io.EOF, 1},
		{New(Usage, "", "wrong"), 2},
		{fmt.Errorf("open: %w", New(Data, "", "missing")), 3},
		{New(Interrupted, "", "stopped: %w", New(Data, "", "missing")), 130}, // the outermost counts
	} {
		if got := Code(c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
}

func TestHint(t *testing.T) {
	inner := New(Data, "diffuse data fetch", "missing: %w", io.EOF)
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{io.EOF, ""},
		{inner, "diffuse data fetch"},
		{fmt.Errorf("train: %w", inner), "diffuse data fetch"},
		{New(Usage, "", "wrong: %w", inner), "diffuse data fetch"},
		{New(Usage, "diffuse --help", "wrong: %w", inner), "diffuse --help"},
	} {
		if got := Hint(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
	if !errors.Is(inner, io.EOF) {
		t.Error("the cause is lost")
	}
}
