package sweep

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"diffuse/internal/config"
)

// maxName is how long the name of a run may be.
const maxName = 64

// nameRuns calls each run after the sweep and the keys it sets, such as
// quick-betamax0.02-seed1: the same in every shard and whenever the sweep is
// started again. Where that is too long, or says the same of two runs, a hash of
// the keys ends it.
func (p *Plan) nameRuns() {
	short := p.Short()
	times := map[string]int{} // how often a name would be given, on systems that ignore case as well
	for _, r := range p.Runs {
		r.Name = p.Name
		for _, o := range r.Keys {
			r.Name += "-" + short[o.Key] + word(o.Value)
		}
		if len(r.Keys) == 0 {
			r.Name += "-base"
		}
		times[strings.ToLower(r.Name)]++
	}
	for _, r := range p.Runs {
		if len(r.Name) > maxName || times[strings.ToLower(r.Name)] > 1 {
			end := "-" + keysHash(r.Keys)
			r.Name = r.Name[:min(len(r.Name), maxName-len(end))] + end
		}
	}
}

// Short is what the keys that runs set are called in names and tables: their last
// word, or the whole of it where two keys end alike.
func (p *Plan) Short() map[string]string {
	by := map[string]string{} // the key that a last word is of; empty where there are several
	short := map[string]string{}
	for _, r := range p.Runs {
		for _, o := range r.Keys {
			last := lastWord(o.Key)
			if key, ok := by[last]; ok && key != o.Key {
				by[last] = ""
			} else {
				by[last] = o.Key
			}
			short[o.Key] = last
		}
	}
	for key, last := range short {
		if by[last] == "" {
			short[key] = key
		}
	}
	return short
}

func lastWord(key string) string { return key[strings.LastIndex(key, ".")+1:] }

// word is a value in a name: [-0.5, 0.5] is -0.5_0.5, what no name can have is
// left out.
func word(value string) string {
	value = strings.ReplaceAll(value, ", ", "_")
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("._-", r) {
			return r
		}
		return -1
	}, value)
}

// keysHash stands for the keys that a run sets.
func keysHash(keys []config.Override) string {
	h := sha256.New()
	for _, o := range keys {
		h.Write([]byte(o.Key + "=" + o.Value + "\n"))
	}
	return hex.EncodeToString(h.Sum(nil)[:4])
}
