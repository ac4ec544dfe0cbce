package run

import "strconv"

// parseStep reads a step's line in the form that Log writes: these keys in this
// order, without spaces. Most lines of a log are such, and this takes a fifth of
// the time of encoding/json. Anything else is not ok, and encoding/json's.
func parseStep(text []byte) (s StepLine, ok bool) {
	p := stepParser{text, true}
	s.Event = "step"
	s.Step = int(p.integer(`{"event":"step","step":`))
	s.Epoch = int(p.integer(`,"epoch":`))
	s.Loss = p.float(`,"loss":`)
	s.LR = p.float(`,"lr":`)
	s.GradNorm = p.float(`,"grad_norm":`)
	s.ImgPerS = p.float(`,"img_per_s":`)
	if p.has(`,"images":`) {
		s.Images = int(p.integer(`,"images":`))
	}
	if p.has(`,"unix_ms":`) {
		s.UnixMS = p.integer(`,"unix_ms":`)
	}
	if p.has(`,"memory":`) {
		s.Memory = p.integer(`,"memory":`)
	}
	return s, p.ok && string(p.rest) == "}"
}

// stepParser is what is left of a line; ok is false once it is of another form.
type stepParser struct {
	rest []byte
	ok   bool
}

func (p *stepParser) has(key string) bool {
	return len(p.rest) >= len(key) && string(p.rest[:len(key)]) == key
}

// number is the number behind a key, as JSON writes numbers.
func (p *stepParser) number(key string) string {
	if !p.ok || !p.has(key) {
		p.ok = false
		return ""
	}
	text := p.rest[len(key):]
	n := numberLen(text)
	p.rest, p.ok = text[n:], n > 0
	return string(text[:n])
}

func (p *stepParser) integer(key string) int64 {
	n, err := strconv.ParseInt(p.number(key), 10, 64)
	p.ok = p.ok && err == nil
	return n
}

func (p *stepParser) float(key string) float64 {
	x, err := strconv.ParseFloat(p.number(key), 64)
	p.ok = p.ok && err == nil
	return x
}

// numberLen is the length of the JSON number (RFC 8259) that text begins with; 0
// where there is none.
func numberLen(text []byte) int {
	at := func(i int) byte {
		if i < len(text) {
			return text[i]
		}
		return 0
	}
	digits := func(i int) int {
		for at(i) >= '0' && at(i) <= '9' {
			i++
		}
		return i
	}
	i := 0
	if at(0) == '-' {
		i = 1
	}
	whole := digits(i)
	if whole == i || at(i) == '0' && whole > i+1 {
		return 0
	}
	i = whole
	if at(i) == '.' {
		end := digits(i + 1)
		if end == i+1 {
			return 0
		}
		i = end
	}
	if at(i) == 'e' || at(i) == 'E' {
		begin := i + 1
		if at(begin) == '+' || at(begin) == '-' {
			begin++
		}
		end := digits(begin)
		if end == begin {
			return 0
		}
		i = end
	}
	return i
}
