package main

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// commonFlags: no frame pointer and no red zone because a kernel has no stack;
// rbp stays Go's, all other registers are the callee's to destroy (ABI0);
// constants are reached relative to the instruction, so that the image can
// stand anywhere; no calls to memcpy and the like; and arithmetic as written:
// a product is only fused with a sum where the source says so. Without
// -fno-ivopts gcc turns one index over many pointers into many pointers.
var commonFlags = []string{
	"-std=gnu11", "-O2", "-Wall", "-Werror", "-ffp-contract=off", "-fno-ivopts",
	"-fomit-frame-pointer", "-ffixed-rbp", "-fcall-used-rbx", "-fcall-used-r12", "-fcall-used-r13", "-fcall-used-r14", "-fcall-used-r15",
	"-mno-red-zone", "-fno-stack-protector", "-fcf-protection=none", "-fno-asynchronous-unwind-tables",
	"-fpie", "-fvisibility=hidden", "-fno-builtin", "-fno-jump-tables", "-fno-tree-loop-distribute-patterns",
	"-ffunction-sections", "-falign-loops=32",
}

// image is a kernel's code and constants, to be placed at a multiple of 64.
type image struct {
	bytes []byte
	code  []instruction // the rest of bytes is constants
}

// instruction is one line of the disassembly.
type instruction struct {
	offset, size int
	text         string
}

// toolVersions names compiler and binutils as a comment for the generated files.
func toolVersions() (string, error) {
	var b strings.Builder
	for _, tool := range []string{"gcc", "ld", "objdump"} {
		out, err := command(tool, "--version")
		if err != nil {
			return "", err
		}
		line, _, _ := strings.Cut(out, "\n")
		fmt.Fprintf(&b, "// Tool: %s\n", line)
	}
	return b.String(), nil
}

// compile builds source into an object file; cleanup removes it.
func compile(source string, set isa) (object string, cleanup func(), err error) {
	dir, err := os.MkdirTemp("", "kernel")
	if err != nil {
		return "", nil, err
	}
	cleanup = func() { os.RemoveAll(dir) }
	object = filepath.Join(dir, "kernel.o")
	args := slices.Concat(set.flags, commonFlags)
	if _, err = command("gcc", append(args, "-c", source, "-o", object)...); err != nil {
		cleanup()
		return "", nil, err
	}
	return object, cleanup, nil
}

// link makes the flat image of one function of an object file, checked.
func link(object, function string) (*image, error) {
	constants, err := references(object, function)
	if err != nil {
		return nil, err
	}
	var data strings.Builder
	for _, section := range constants {
		fmt.Fprintf(&data, "*(%s) ", section)
	}
	script := fmt.Sprintf("SECTIONS { . = 0; .image : { *(.text.%s) . = ALIGN(64); %s} /DISCARD/ : { *(*) } }\n", function, &data)
	dir := filepath.Dir(object)
	scriptFile, linked := filepath.Join(dir, function+".ld"), filepath.Join(dir, function+".elf")
	if err := os.WriteFile(scriptFile, []byte(script), 0o600); err != nil {
		return nil, err
	}
	if _, err := command("ld", "-T", scriptFile, "-e", "0", object, "-o", linked); err != nil {
		return nil, err
	}
	f, err := elf.Open(linked)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	section := f.Section(".image")
	if section == nil {
		return nil, errors.New("the linker made no code")
	}
	im := &image{}
	if im.bytes, err = section.Data(); err != nil {
		return nil, err
	}
	size, err := functionSize(f, function)
	if err != nil {
		return nil, err
	}
	if len(constants) == 0 {
		im.bytes = im.bytes[:size]
	}
	listing, err := command("objdump", "-d", "-w", "--no-show-raw-insn", "--start-address=0", fmt.Sprintf("--stop-address=%d", size), linked)
	if err != nil {
		return nil, err
	}
	if im.code, err = parseListing(listing, size); err != nil {
		return nil, err
	}
	return im, checkCode(im.code)
}

// functionSize is the number of bytes of function, which must start the image.
func functionSize(f *elf.File, function string) (int, error) {
	symbols, err := f.Symbols()
	if err != nil {
		return 0, err
	}
	for _, s := range symbols {
		if s.Name == function && s.Value == 0 && s.Size > 0 {
			return int(s.Size), nil
		}
	}
	return 0, errors.New("no such function at the start of the image")
}

// references returns the sections of constants that function refers to. Any
// other reference, or one that depends on where the image stands, is an error.
func references(object, function string) ([]string, error) {
	f, err := elf.Open(object)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	relocations := f.Section(".rela.text." + function)
	if relocations == nil {
		return nil, nil
	}
	data, err := relocations.Data()
	if err != nil {
		return nil, err
	}
	symbols, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for ; len(data) >= 24; data = data[24:] { // Elf64_Rela: offset, info, addend
		info := binary.LittleEndian.Uint64(data[8:])
		if t := elf.R_X86_64(elf.R_TYPE64(info)); t != elf.R_X86_64_PC32 {
			return nil, fmt.Errorf("relocation %v: only constants relative to the instruction are allowed", t)
		}
		index := elf.R_SYM64(info)
		if index == 0 || int(index) > len(symbols) {
			return nil, fmt.Errorf("relocation to symbol %d", index)
		}
		s := symbols[index-1] // Symbols leaves out the null symbol
		if s.Section == elf.SHN_UNDEF || int(s.Section) >= len(f.Sections) {
			return nil, fmt.Errorf("unresolved reference to %q", s.Name)
		}
		section := f.Sections[s.Section]
		if !strings.HasPrefix(section.Name, ".rodata") {
			return nil, fmt.Errorf("refers to %s in %s: only constants are allowed", s.Name, section.Name)
		}
		found[section.Name] = true
	}
	var names []string
	for name := range found {
		names = append(names, name)
	}
	sort.Strings(names)
	return names, nil
}

var listed = regexp.MustCompile(`^ *([0-9a-f]+):\t(.*)$`)

// parseListing reads objdump's lines for the first size bytes.
func parseListing(listing string, size int) ([]instruction, error) {
	var code []instruction
	for line := range strings.SplitSeq(listing, "\n") {
		m := listed.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		offset, err := strconv.ParseInt(m[1], 16, 32)
		if err != nil {
			return nil, err
		}
		if n := len(code); n > 0 {
			code[n-1].size = int(offset) - code[n-1].offset
		}
		code = append(code, instruction{offset: int(offset), text: strings.Join(strings.Fields(m[2]), " ")})
	}
	if len(code) == 0 || code[0].offset != 0 {
		return nil, errors.New("nothing disassembled")
	}
	last := &code[len(code)-1]
	last.size = size - last.offset
	return code, nil
}

var (
	usesStack = regexp.MustCompile(`%[re]?spl?\b|%[re]?bpl?\b`)
	forbidden = regexp.MustCompile(`^(push|pop|call|enter|leave|int|syscall|hlt|ud2|\(bad\))`)
	wide      = regexp.MustCompile(`%[yz]mm`)
	tiled     = regexp.MustCompile(`%tmm|^ldtilecfg`)
)

// checkCode refuses what a Go assembly function without a frame must not do. Tiles are
// the thread's, and Go would carry them from one goroutine to the next.
func checkCode(code []instruction) error {
	usesWide, usesTiles := false, false
	for _, in := range code {
		usesWide = usesWide || wide.MatchString(in.text)
		usesTiles = usesTiles || tiled.MatchString(in.text)
	}
	// before says that one of the few instructions before the i-th is this one.
	before := func(i int, text string) bool {
		return slices.ContainsFunc(code[max(0, i-3):i], func(in instruction) bool { return in.text == text })
	}
	for i, in := range code {
		switch {
		case usesStack.MatchString(in.text):
			return fmt.Errorf("uses the stack or frame pointer: %s", in.text)
		case forbidden.MatchString(in.text):
			return fmt.Errorf("not allowed: %s", in.text)
		case usesWide && strings.HasPrefix(in.text, "ret") && (i == 0 || code[i-1].text != "vzeroupper"):
			return errors.New("returns without vzeroupper")
		case usesTiles && strings.HasPrefix(in.text, "ret") && !before(i, "tilerelease"):
			return errors.New("returns without tilerelease")
		}
	}
	return nil
}

// command runs a tool and returns what it prints.
func command(name string, args ...string) (string, error) {
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), "LC_ALL=C")
	out, err := c.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("%s: %w\n%s", name, err, exit.Stderr)
	}
	return string(out), err
}
