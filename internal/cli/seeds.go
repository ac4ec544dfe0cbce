package cli

import (
	"fmt"
	"strconv"
	"strings"

	"diffuse/internal/fault"
)

// maxSeeds keeps a slip such as 0-99999999999 from filling the memory.
const maxSeeds = 1_000_000

// parseSeeds reads seeds and ranges of them, both ends included: "0-63",
// "7", "1,5,9-12". Seeds are whole numbers from 0 to 2^63-1.
func parseSeeds(text string) ([]uint64, error) {
	var seeds []uint64
	for item := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(item), "-")
		first, err := parseSeed(low)
		last := first
		if err == nil && isRange {
			last, err = parseSeed(high)
		}
		if err != nil || last < first {
			return nil, fault.New(fault.Usage, "write seeds as --seeds 0-63 or --seeds 1,5,9-12",
				"--seeds: %q is neither a seed nor a rising range of seeds", item)
		}
		if last-first >= maxSeeds || len(seeds)+int(last-first) >= maxSeeds {
			return nil, fault.New(fault.Usage, "", "--seeds: %q has more than %d seeds", text, maxSeeds)
		}
		for s := first; s <= last; s++ {
			seeds = append(seeds, s)
		}
	}
	return seeds, nil
}

func parseSeed(text string) (uint64, error) { return strconv.ParseUint(text, 10, 63) }

// seedsLabel names seeds in a file's name: "0-15", "7", or for a list that is
// no range its first, its last and how many.
func seedsLabel(seeds []uint64) string {
	first, last, n := seeds[0], seeds[len(seeds)-1], uint64(len(seeds))
	rising := last-first == n-1
	for i, s := range seeds {
		rising = rising && s == first+uint64(i)
	}
	switch {
	case n == 1:
		return strconv.FormatUint(first, 10)
	case rising:
		return fmt.Sprintf("%d-%d", first, last)
	}
	return fmt.Sprintf("%d-%d-n%d", first, last, n)
}
