package main

import (
	"encoding/binary"
	"fmt"
	"io"
)

// writeCode writes an image as data directives: an instruction a line with its
// disassembly, then the constants.
func writeCode(w io.Writer, im *image) {
	end := 0
	for _, in := range im.code {
		fmt.Fprintf(w, "\t%s // %04x: %s\n", directives(im.bytes[in.offset:in.offset+in.size]), in.offset, in.text)
		end = in.offset + in.size
	}
	for end < len(im.bytes) {
		n := min(8-end%8, len(im.bytes)-end)
		fmt.Fprintf(w, "\t%s // %04x\n", directives(im.bytes[end:end+n]), end)
		end += n
	}
}

// directives spells bytes in the widest pieces the assembler takes.
func directives(b []byte) string {
	s := ""
	for len(b) > 0 {
		if s != "" {
			s += "; "
		}
		switch {
		case len(b) >= 8:
			s += fmt.Sprintf("QUAD $0x%016x", binary.LittleEndian.Uint64(b))
			b = b[8:]
		case len(b) >= 4:
			s += fmt.Sprintf("LONG $0x%08x", binary.LittleEndian.Uint32(b))
			b = b[4:]
		case len(b) >= 2:
			s += fmt.Sprintf("WORD $0x%04x", binary.LittleEndian.Uint16(b))
			b = b[2:]
		default:
			s += fmt.Sprintf("BYTE $0x%02x", b[0])
			b = b[1:]
		}
	}
	return s
}
