package tensorfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
)

// What a pickle may take: room for the names of some fifty thousand tensors. An
// opcode makes at most one object, so these bound the memory too.
const (
	maxPickleBytes = 32 << 20
	maxPickleOps   = 1 << 21
	maxPickleText  = 1 << 16
)

// A pickle's values are nil, bool, int64, float64, string, pickleTuple, *pickleList,
// *pickleDict, global, *torchStorage and *torchTensor.
type (
	pickleTuple []any
	pickleList  struct{ items []any }
	pickleDict  struct{ keys, values []any }
	global      string // MODULE.NAME, one that is known
	mark        struct{}
)

// unpickler runs the opcodes of pickle protocol 2 that torch.save writes, and no
// others. It builds the values above; a global is a name in a closed list, and
// nothing of the file is ever executed.
//
// Source: the comments in CPython's Lib/pickletools.py.
type unpickler struct {
	r       *bufio.Reader
	pos     int64 // bytes read
	left    int   // bytes that this pickle may still take
	stack   []any
	memo    map[uint32]any
	storage func(id pickleTuple) (any, error) // resolves a persistent id; nil where there may be none
}

func newUnpickler(r io.Reader) *unpickler {
	return &unpickler{r: bufio.NewReader(r)}
}

// load reads one pickle, up to its STOP.
func (u *unpickler) load() (any, error) {
	u.left, u.stack, u.memo = maxPickleBytes, nil, map[uint32]any{}
	for range maxPickleOps {
		op, err := u.byte()
		if err != nil {
			return nil, err
		}
		if op == '.' {
			if len(u.stack) != 1 {
				return nil, fmt.Errorf("pickle ends with %d values, not 1", len(u.stack))
			}
			return u.pop()
		}
		if err := u.run(op); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("pickle has more than %d opcodes", maxPickleOps)
}

func (u *unpickler) run(op byte) error {
	switch op {
	case 0x80: // PROTO
		version, err := u.byte()
		if err == nil && version != 2 {
			err = fmt.Errorf("pickle of protocol %d, not 2, torch.save's default", version)
		}
		return err
	case '(':
		return u.push(mark{})
	case 'N':
		return u.push(nil)
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		return u.push(op == 0x88)
	case '}':
		return u.push(&pickleDict{})
	case ']':
		return u.push(&pickleList{})
	case ')':
		return u.push(pickleTuple{})
	case 'J', 'K', 'M', 0x8a, 'G': // BININT, BININT1, BININT2, LONG1, BINFLOAT
		return u.number(op)
	case 'X', 'U': // BINUNICODE, and SHORT_BINSTRING, Python 2's
		return u.text(op)
	case 'q', 'r', 'h', 'j': // BINPUT, LONG_BINPUT, BINGET, LONG_BINGET
		return u.remember(op)
	case 0x85, 0x86, 0x87, 't': // TUPLE1, TUPLE2, TUPLE3, TUPLE
		return u.tuple(op)
	case 'a', 'e', 's', 'u': // APPEND, APPENDS, SETITEM, SETITEMS
		return u.fill(op)
	case 'c':
		return u.global()
	case 'Q': // BINPERSID
		return u.persistent()
	case 'R', 'b': // REDUCE, BUILD
		return u.build(op)
	}
	return fmt.Errorf("pickle opcode 0x%02x at byte %d is none that a dict of tensors needs", op, u.pos-1)
}

func (u *unpickler) byte() (byte, error) {
	if err := u.take(1); err != nil {
		return 0, err
	}
	b, err := u.r.ReadByte()
	return b, cutOff(err)
}

// bytes reads n ≤ maxPickleText bytes.
func (u *unpickler) bytes(n int) ([]byte, error) {
	if err := u.take(n); err != nil {
		return nil, err
	}
	b := make([]byte, n)
	_, err := io.ReadFull(u.r, b)
	return b, cutOff(err)
}

// take counts n bytes.
func (u *unpickler) take(n int) error {
	if n > u.left {
		return fmt.Errorf("pickle has more than %d bytes", maxPickleBytes)
	}
	u.pos += int64(n)
	u.left -= n
	return nil
}

func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("pickle is cut off")
	}
	return err
}

func (u *unpickler) push(v any) error {
	u.stack = append(u.stack, v)
	return nil
}

var errStack = errors.New("pickle takes values that it did not make")

// pop takes the topmost value, popN the topmost n in their order.
func (u *unpickler) pop() (any, error) {
	v, err := u.popN(1)
	if err != nil {
		return nil, err
	}
	return v[0], nil
}

func (u *unpickler) popN(n int) ([]any, error) {
	begin := len(u.stack) - n
	if begin < 0 || slices.Contains(u.stack[begin:], any(mark{})) {
		return nil, errStack
	}
	values := slices.Clone(u.stack[begin:])
	u.stack = u.stack[:begin]
	return values, nil
}

// popMark takes what stands above the last mark, and the mark.
func (u *unpickler) popMark() ([]any, error) {
	for i, v := range slices.Backward(u.stack) {
		if v == any(mark{}) {
			values := slices.Clone(u.stack[i+1:])
			u.stack = u.stack[:i]
			return values, nil
		}
	}
	return nil, errStack
}
