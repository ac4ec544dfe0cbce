package run

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

// What parseStep reads, encoding/json reads in the same way; and it reads all
// that Log writes.
func TestParseStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		finite := rapid.Float64().Filter(func(x float64) bool { return x-x == 0 })
		want := StepLine{
			"step", rapid.Int().Draw(t, "step"), rapid.Int().Draw(t, "epoch"), finite.Draw(t, "loss"), finite.Draw(t, "lr"), finite.Draw(t, "norm"),
			finite.Draw(t, "speed"), rapid.IntRange(0, 9).Draw(t, "images"), rapid.Int64Range(0, 9).Draw(t, "ms"), rapid.Int64Range(0, 9).Draw(t, "memory"),
		}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := parseStep(text); !ok || got != want {
			t.Fatalf("%s: %+v, %v", text, got, ok)
		}
	})
}

func FuzzParseStep(f *testing.F) {
	const begin = `{"event":"step","step":1,"epoch":1,"loss":`
	const end = `,"lr":1e-7,"grad_norm":2,"img_per_s":3`
	for _, text := range []string{
		begin + "0.5" + end + "}", begin + "-0" + end + `,"images":7}`, begin + "1E+2" + end + `,"unix_ms":7,"memory":8}`,
		begin + "01" + end + "}", begin + "+1" + end + "}", begin + "1." + end + "}", begin + ".5" + end + "}", begin + "1e" + end + "}", begin + "1_0" + end + "}",
		begin + "0x1p2" + end + "}", begin + "Inf" + end + "}", begin + "1e999" + end + "}", begin + "null" + end + "}", begin + "1" + end + "}}", begin + "1" + end,
		begin + "1" + end + `,"step":2}`, begin + "1" + end + `,"images":1.5}`, begin + "1" + end + `,"images":99999999999999999999}`, begin + "--1" + end + "}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, ok := parseStep(text)
		if !ok {
			return
		}
		var want StepLine
		if err := json.Unmarshal(text, &want); err != nil || got != want {
			t.Errorf("%s: %+v, encoding/json: %+v, %v", text, got, want, err)
		}
	})
}

// The bound on the other side: these are read without encoding/json.
func BenchmarkStepLine(b *testing.B) {
	text := []byte(`{"event":"step","step":123,"epoch":2,"loss":0.9774451136123854,"lr":0.0004000303114002988,"grad_norm":4.3873490284750565,"img_per_s":66.18448590283042,"images":123456,"unix_ms":1764141234567,"memory":1180000000}`)
	b.Run("parseStep", func(b *testing.B) {
		for b.Loop() {
			if _, ok := parseStep(text); !ok {
				b.Fatal("not read")
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		for b.Loop() {
			var s StepLine
			if err := json.Unmarshal(text, &s); err != nil {
				b.Fatal(err)
			}
		}
	})
}
