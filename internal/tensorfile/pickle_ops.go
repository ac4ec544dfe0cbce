package tensorfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

func (u *unpickler) number(op byte) error {
	size := map[byte]int{'J': 4, 'K': 1, 'M': 2, 'G': 8}[op]
	if op == 0x8a { // its length stands before it
		n, err := u.byte()
		if err != nil {
			return err
		}
		if n > 8 {
			return fmt.Errorf("pickle has a whole number of %d bytes", n)
		}
		size = int(n)
	}
	b, err := u.bytes(size)
	if err != nil {
		return err
	}
	var wide [8]byte
	copy(wide[:], b)
	bits := binary.LittleEndian.Uint64(wide[:])
	switch {
	case op == 'G':
		return u.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
	case op == 'J':
		return u.push(int64(int32(bits)))
	case op == 0x8a && size > 0: // two's complement
		shift := 64 - 8*size
		return u.push(int64(bits<<shift) >> shift)
	}
	return u.push(int64(bits))
}

func (u *unpickler) text(op byte) error {
	size := 4
	if op == 'U' {
		size = 1
	}
	b, err := u.bytes(size)
	if err != nil {
		return err
	}
	n := uint32(b[0])
	if size == 4 {
		n = binary.LittleEndian.Uint32(b)
	}
	if n > maxPickleText {
		return fmt.Errorf("pickle has a text of %d bytes", n)
	}
	text, err := u.bytes(int(n))
	if err != nil {
		return err
	}
	if !utf8.Valid(text) {
		return fmt.Errorf("pickle has text that is not UTF-8: %.40q", text)
	}
	return u.push(string(text))
}

// remember notes the topmost value under a number, or brings one back.
func (u *unpickler) remember(op byte) error {
	size := 1
	if op == 'r' || op == 'j' {
		size = 4
	}
	b, err := u.bytes(size)
	if err != nil {
		return err
	}
	var wide [4]byte
	copy(wide[:], b)
	number := binary.LittleEndian.Uint32(wide[:])
	if op == 'h' || op == 'j' {
		v, ok := u.memo[number]
		if !ok {
			return fmt.Errorf("pickle asks for value %d, which it did not keep", number)
		}
		return u.push(v)
	}
	v, err := u.pop()
	if err != nil {
		return err
	}
	u.memo[number] = v
	return u.push(v)
}

func (u *unpickler) tuple(op byte) error {
	values, err := u.values(op == 't', int(op)-0x84)
	if err != nil {
		return err
	}
	return u.push(pickleTuple(values))
}

// values takes what stands above the mark, or else n values.
func (u *unpickler) values(toMark bool, n int) ([]any, error) {
	if toMark {
		return u.popMark()
	}
	return u.popN(n)
}

// fill appends to a list or sets items of a dict.
func (u *unpickler) fill(op byte) error {
	n := 1
	if op == 's' {
		n = 2
	}
	values, err := u.values(op == 'e' || op == 'u', n)
	if err != nil {
		return err
	}
	to, err := u.pop()
	if err != nil {
		return err
	}
	switch to := to.(type) {
	case *pickleList:
		if op == 'a' || op == 'e' {
			to.items = append(to.items, values...)
			return u.push(to)
		}
	case *pickleDict:
		if op == 's' || op == 'u' {
			if err := to.set(values); err != nil {
				return err
			}
			return u.push(to)
		}
	}
	return fmt.Errorf("pickle adds to what is no list or dict (opcode %q)", op)
}

// set adds keys and values that alternate. A state dict's keys are texts, an
// optimizer's numbers too.
func (d *pickleDict) set(alternate []any) error {
	if len(alternate)%2 != 0 {
		return errors.New("pickle has a key without a value")
	}
	for pair := range slices.Chunk(alternate, 2) {
		switch key := pair[0].(type) {
		case int64:
		case string:
			if len(key) > maxName {
				return fmt.Errorf("pickle has a dict with a key of %d bytes", len(key))
			}
		default:
			return errors.New("pickle has a dict with a key that is neither text nor a whole number")
		}
		d.keys, d.values = append(d.keys, pair[0]), append(d.values, pair[1])
	}
	return nil
}

// global pushes MODULE.NAME where it is one of those that a dict of tensors needs.
func (u *unpickler) global() error {
	var parts [2]string
	for i := range parts {
		for {
			b, err := u.byte()
			if err != nil {
				return err
			}
			if b == '\n' {
				break
			}
			if parts[i] += string(rune(b)); len(parts[i]) > 100 {
				return errors.New("pickle has a global with an endless name")
			}
		}
	}
	name := global(parts[0] + "." + parts[1])
	if callables[name] == nil && storageTypes[name] == "" {
		return fmt.Errorf("refers to %s: tensors are read, code is not run", name)
	}
	return u.push(name)
}

func (u *unpickler) persistent() error {
	id, err := u.pop()
	if err != nil {
		return err
	}
	tuple, ok := id.(pickleTuple)
	if !ok || u.storage == nil {
		return errors.New("pickle refers to something outside where there can be nothing")
	}
	s, err := u.storage(tuple)
	if err != nil {
		return err
	}
	return u.push(s)
}

// build calls a global with its arguments, or gives an object attributes: those
// of an OrderedDict (a state dict's _metadata) say nothing about its tensors.
func (u *unpickler) build(op byte) error {
	values, err := u.popN(2)
	if err != nil {
		return err
	}
	if op == 'b' {
		_, isDict := values[0].(*pickleDict)
		if _, ok := values[1].(*pickleDict); !isDict || !ok {
			return errors.New("pickle sets attributes of what is no dict")
		}
		return u.push(values[0])
	}
	name, _ := values[0].(global)
	args, ok := values[1].(pickleTuple)
	call := callables[name]
	if call == nil || !ok {
		return fmt.Errorf("pickle calls what is no function: %q", name)
	}
	v, err := call(args)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return u.push(v)
}
