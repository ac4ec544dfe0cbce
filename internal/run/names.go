package run

import (
	"fmt"
	"math/rand/v2"
)

var (
	adjectives = []string{
		"amber", "bold", "brisk", "calm", "clear", "crisp", "deep", "early", "fair", "fleet",
		"gentle", "golden", "green", "keen", "kind", "late", "light", "lucid", "mellow", "mild",
		"misty", "neat", "pale", "plain", "quiet", "rapid", "rosy", "silver", "snowy", "soft",
		"steady", "still", "sunny", "swift", "tidy", "vivid", "warm", "wide", "wild", "young",
	}
	nouns = []string{
		"acorn", "alder", "badger", "beech", "birch", "brook", "cedar", "cliff", "cloud", "coral",
		"crane", "creek", "dune", "falcon", "fern", "finch", "fjord", "grove", "harbor", "hazel",
		"heron", "island", "lake", "lark", "linden", "maple", "meadow", "moss", "oak", "otter",
		"pebble", "pine", "reed", "ridge", "river", "robin", "sparrow", "spruce", "tern", "willow",
	}
)

// generateName is a name to remember, such as quick-misty-heron. After some
// tries that met runs of that name it takes a number in addition. What a run
// computes does not depend on its name.
func generateName(base string, try int) string {
	name := adjectives[rand.IntN(len(adjectives))] + "-" + nouns[rand.IntN(len(nouns))]
	if base != "" {
		name = base + "-" + name
	}
	if try < 8 {
		return name
	}
	return fmt.Sprintf("%s-%d", name, try-6)
}
