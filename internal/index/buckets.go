package index

// levels are the steps that a bucket of the pyramid holds, each level's buckets
// made of those of the level below.
var levels = []int{8, 32, 128, 512, 2048, 8192, 32768, 131072}

// updateBuckets makes the buckets anew that hold the steps from dirty on.
func (r *reader) updateBuckets() error {
	if r.dirty == noStep {
		return nil
	}
	for i, level := range levels {
		first := (r.dirty - 1) / level
		if err := r.exec(`DELETE FROM raw_bucket WHERE run = ? AND level = ? AND bucket >= ?`, r.id, level, first); err != nil {
			return err
		}
		var err error
		if i == 0 {
			err = r.exec(bucketsOfSteps, r.id, level, first)
		} else {
			err = r.exec(bucketsOfBuckets, r.id, levels[i-1], level, first)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// The (first-1)*level are for steps below 1, which only a strange log has: there
// division rounds up.
const bucketsOfSteps = `
INSERT INTO raw_bucket SELECT run, ?2, (step - 1) / ?2, count(*), max(step), max(images), max(seconds),
  sum(loss), min(loss), max(loss), sum(lr), min(lr), max(lr), sum(grad_norm), min(grad_norm), max(grad_norm),
  sum(img_per_s), min(img_per_s), max(img_per_s), count(memory), sum(memory), min(memory), max(memory)
FROM raw_step WHERE run = ?1 AND step > (?3 - 1) * ?2 AND (step - 1) / ?2 >= ?3 GROUP BY (step - 1) / ?2`

const bucketsOfBuckets = `
INSERT INTO raw_bucket SELECT run, ?3, bucket * ?2 / ?3, sum(n), max(step), max(images), max(seconds),
  sum(loss_sum), min(loss_min), max(loss_max), sum(lr_sum), min(lr_min), max(lr_max), sum(grad_norm_sum), min(grad_norm_min), max(grad_norm_max),
  sum(img_per_s_sum), min(img_per_s_min), max(img_per_s_max), sum(memory_n), sum(memory_sum), min(memory_min), max(memory_max)
FROM raw_bucket WHERE run = ?1 AND level = ?2 AND bucket >= (?4 - 1) * (?3 / ?2) AND bucket * ?2 / ?3 >= ?4 GROUP BY bucket * ?2 / ?3`
