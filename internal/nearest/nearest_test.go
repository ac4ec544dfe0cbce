package nearest

import (
	"testing"

	"pgregory.net/rapid"
)

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"kitten", "sitting", 3}, // the textbook pair
		{"betamax", "betamxa", 1},
		{"ab", "ba", 1},
		{"ca", "abc", 3}, // optimal string alignment, where unrestricted Damerau says 2
		{"channels", "channel", 1},
	} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestDistanceIsSymmetricAndZeroOnlyForEquals(t *testing.T) {
	word := rapid.StringMatching(`[ab.]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := Distance(a, b)
		if d != Distance(b, a) {
			t.Fatalf("Distance(%q, %q) = %d, but %d the other way round", a, b, d, Distance(b, a))
		}
		if (d == 0) != (a == b) {
			t.Fatalf("Distance(%q, %q) = %d", a, b, d)
		}
		if longer := max(len(a), len(b)); d > longer {
			t.Fatalf("Distance(%q, %q) = %d, more than %d", a, b, d, longer)
		}
	})
}

func TestName(t *testing.T) {
	keys := []string{"train.lr", "train.epochs", "schedule.betamax"}
	for name, want := range map[string]string{
		"train.lrr":        "train.lr",
		"train.epoch":      "train.epochs",
		"schedule.betamxa": "schedule.betamax",
		"weather":          "",
	} {
		if got := Name(name, keys); got != want {
			t.Errorf("Name(%q) = %q, want %q", name, got, want)
		}
	}
}
