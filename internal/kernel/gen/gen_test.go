package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// needTools skips a test where gcc or binutils are absent, and returns their versions.
func needTools(t *testing.T) string {
	t.Helper()
	versions, err := toolVersions()
	if err != nil {
		t.Skipf("gcc and binutils are absent: %v", err)
	}
	return versions
}

func TestCommittedAssemblyIsWhatTheSourcesMake(t *testing.T) {
	versions := needTools(t)
	committed, err := filepath.Glob("../*_amd64.s")
	if err != nil || len(committed) == 0 {
		t.Fatalf("no assembly found: %v", err)
	}
	for _, name := range committed {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(content, []byte(versions)) {
			t.Skipf("%s was made by other versions than\n%s", filepath.Base(name), versions)
		}
	}
	files, err := generate("../csrc")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Errorf("%v: run make kernels", err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s differs from its source: run make kernels", name)
		}
	}
	for _, name := range committed {
		if files[filepath.Base(name)] == nil {
			t.Errorf("%s has no source any more: remove it", filepath.Base(name))
		}
	}
}

func TestCodeThatGoCannotHoldIsRefused(t *testing.T) {
	needTools(t)
	const args = "struct args { float *x; long n; };\n"
	for name, c := range map[string]struct{ source, want string }{
		"a stack variable": {
			"KERNEL(f, args) { volatile float v[4]; v[a->n & 3] = 1; *a->x = v[0]; }", "stack"},
		"a call": {
			"__attribute__((noinline)) static float g(float x) { __asm__ volatile(\"\"); return x + 1; }\nKERNEL(f, args) { *a->x = g(*a->x) + g(a->x[1]); }", "only constants"},
		"a call within the function's section": {
			"KERNEL(f, args) { __asm__ volatile(\"call 1f\\n1:\"); }", "not allowed"},
		"a variable": {
			"static float total;\nKERNEL(f, args) { total += *a->x; *a->x = total; }", "only constants"},
		"another file's variable": {
			"extern const float other __attribute__((visibility(\"hidden\")));\nKERNEL(f, args) { *a->x = other; }", "unresolved"},
		"the frame pointer": {
			"KERNEL(f, args) { __asm__ volatile(\"xor %%ebp, %%ebp\" ::: \"memory\"); }", "stack or frame pointer"},
		"wide registers left dirty": {
			"KERNEL(f, args) { __asm__ volatile(\"vxorps %%ymm0, %%ymm0, %%ymm0\" ::: \"memory\"); }", "vzeroupper"},
		"the widest registers left dirty": {
			"KERNEL(f, args) { __asm__ volatile(\"vpxord %%zmm0, %%zmm0, %%zmm0\" ::: \"memory\"); }", "vzeroupper"},
		"tiles left in use": {
			"KERNEL(f, args) { __asm__ volatile(\"tilezero %%tmm0\" ::: \"memory\"); }", "tilerelease"},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := generateFrom(t, "#define KERNEL(name, args) void name(struct args *a)\n"+args+c.source+"\n")
			if err == nil {
				t.Fatalf("accepted:\n%s", files["k_avx2_amd64.s"])
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("refused, but not for this reason (%q): %v", c.want, err)
			}
		})
	}
}

func TestConstantsFollowTheCode(t *testing.T) {
	needTools(t)
	source := `struct args { float *x; long n; };
#define KERNEL(name, args) void name(struct args *a)
static const float table[4] = {1.5f, 2.5f, 3.5f, 4.5f};
KERNEL(pick, args) { *a->x = table[a->n]; }
KERNEL(plain, args) { a->n++; }
`
	first, err := generateFrom(t, source)
	if err != nil {
		t.Fatal(err)
	}
	again, err := generateFrom(t, source)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range isas {
		if !set.builds("k.c") {
			continue
		}
		base := "k_" + set.name + "_amd64"
		asm := string(first[base+".s"])
		pick, plain, found := strings.Cut(asm, "TEXT ·plain"+set.title+"(SB), NOSPLIT, $0-8")
		const twoFloats = "QUAD $0x402000003fc00000" // 1.5 and 2.5
		if !found || !strings.Contains(pick, twoFloats) || strings.Contains(plain, twoFloats) {
			t.Errorf("want the table behind pick, and only there:\n%s", asm)
		}
		if want := "//go:noescape\nfunc pick" + set.title + "(a *args)\n"; !strings.Contains(string(first[base+".go"]), want) {
			t.Errorf("want %q in\n%s", want, first[base+".go"])
		}
		if !bytes.Equal(first[base+".s"], again[base+".s"]) {
			t.Error("two runs differ")
		}
		if want := "\tcase " + set.name + ":\n\t\tpick" + set.title + "(a)\n"; !strings.Contains(string(first["k_isa_amd64.go"]), want) {
			t.Errorf("want %q in\n%s", want, first["k_isa_amd64.go"])
		}
	}
}

// generateFrom runs the generator on one source file, k.c.
func generateFrom(t *testing.T, source string) (map[string][]byte, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "k.c"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return generate(dir)
}
