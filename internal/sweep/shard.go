package sweep

import (
	"fmt"
	"strconv"
	"strings"

	"diffuse/internal/fault"
)

// Shard is a part of a sweep: the I-th of N, from 1. The zero Shard is all of it.
type Shard struct{ I, N int }

// ParseShard reads "2/3"; nothing is the whole sweep.
func ParseShard(text string) (Shard, error) {
	if text == "" {
		return Shard{}, nil
	}
	first, second, ok := strings.Cut(text, "/")
	i, errI := strconv.Atoi(first)
	n, errN := strconv.Atoi(second)
	if !ok || errI != nil || errN != nil || i < 1 || i > n {
		return Shard{}, fault.New(fault.Usage, "the four shards of a sweep are --shard 1/4 to --shard 4/4", "--shard: must be i/n with i from 1 to n, got %q", text)
	}
	return Shard{i, n}, nil
}

func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.I, s.N) }

// Of is every N-th run from the I-th on, so that shards take as many runs, and
// as long ones, as each other.
func (s Shard) Of(runs []*Run) []*Run {
	if s.N == 0 {
		return runs
	}
	var own []*Run
	for i := s.I - 1; i < len(runs); i += s.N {
		own = append(own, runs[i])
	}
	return own
}
