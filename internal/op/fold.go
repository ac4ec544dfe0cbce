package op

import (
	"slices"

	"diffuse/internal/kernel"
)

// fold removes steps that another one does on the way: a sum is folded into
// the op that makes one of its operands and can start from the other (a
// residual, the gradients of a value used twice); so is the time embedding
// added to a convolution's output. What others are joined with is written where
// it belongs at once.
func (c *compiler) fold() {
	for _, s := range slices.Clone(c.steps) {
		switch {
		case s.op.sum:
			if !c.foldSum(s, 0, 1) {
				c.foldSum(s, 1, 0)
			}
		case s.op.addsRows:
			c.foldRows(s)
		}
	}
	for _, s := range slices.Clone(c.steps) {
		if s.op.joins {
			c.foldJoin(s)
		}
	}
}

// foldSum lets the maker of operand j start from operand i, if it can and if
// operand i is there by then.
func (c *compiler) foldSum(s *step, i, j int) bool {
	from, made := s.in[i], s.in[j]
	m := made.maker
	if from == made || !c.only(made) || !m.op.plus || m.from != nil || !before(from, m) {
		return false
	}
	m.from = from
	c.replace(s, m)
	return true
}

// foldRows lets the maker of s's first operand add the second one's rows.
func (c *compiler) foldRows(s *step) {
	m, rows := s.in[0].maker, s.in[1]
	if m == nil || !c.only(s.in[0]) || !m.op.rows || m.rows != nil || !before(rows, m) {
		return
	}
	m.rows = rows
	c.replace(s, m)
}

// foldJoin lets the makers of s's operands write to its output, if all of them can.
func (c *compiler) foldJoin(s *step) {
	out := s.out[0]
	for _, v := range s.in {
		if !c.only(v) || !v.maker.op.places || v.maker.from != nil || v.maker.into != (kernel.Slot{}) {
			return
		}
	}
	at := 0
	for _, v := range s.in {
		v.maker.into = kernel.Slot{At: at, Of: out.channels()}
		at += v.channels()
		v.maker.out[0] = out
		if out.maker == s || before(out, v.maker) {
			out.maker = v.maker
		}
	}
	c.drop(s)
}

// only says that v is an op's output that nobody but one step reads.
func (c *compiler) only(v *value) bool {
	return v.maker != nil && v.maker.out[0] == v && c.readers[v] == 1
}

// before says that v is there when s runs.
func before(v *value, s *step) bool { return v.maker == nil || v.maker.number < s.number }

// replace makes m compute what s did.
func (c *compiler) replace(s, m *step) {
	m.out[0] = s.out[0]
	m.out[0].maker = m
	c.drop(s)
}

// drop takes s out of the program.
func (c *compiler) drop(s *step) {
	c.steps = slices.DeleteFunc(c.steps, func(t *step) bool { return t == s })
}

// channels is v's last dimension.
func (v *value) channels() int { return v.shape[len(v.shape)-1] }
