package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// The hashes of the extract's pixels, image after image. They were taken from the
// official files with a few lines of Python, which share nothing with the generator:
//
//	px, lb = (gzip.open(d + f).read() for f in (images, labels)); px, lb = px[16:], lb[8:]
//	per = [[i for i, l in enumerate(lb) if l == c][:rows] for c in range(10)]
//	hashlib.sha256(b"".join(px[784*per[c][k]:][:784] for k in range(rows) for c in range(10)))
func TestExtractBytes(t *testing.T) {
	for split, want := range map[Split]struct {
		n    int
		hash string
	}{
		Train: {2000, "b5fa3456b5f9479594e2e802c50d08500db310b557b0955d78d5a2423ee08812"},
		Test:  {500, "b7ba8e5178795e1ed911d4bf2ad9620a2a61fcbe0bf8c4cd1f26483d857a5b18"},
	} {
		s := mustOpen(t, FashionExtract, "", split)
		if s.N != want.n || s.H != 28 || s.W != 28 || s.C != 1 {
			t.Errorf("%s is %d images of %dx%dx%d", split, s.N, s.H, s.W, s.C)
		}
		sum := sha256.Sum256(s.Pixels)
		if got := hex.EncodeToString(sum[:]); got != want.hash {
			t.Errorf("%s: pixels have SHA-256 %s, want %s", split, got, want.hash)
		}
		for i, l := range s.Labels {
			if int(l) != i%10 {
				t.Fatalf("%s: label %d of image %d", split, l, i)
			}
		}
	}
}

func TestExtractDamaged(t *testing.T) {
	for name, sheet := range map[string][]byte{
		"empty":   nil,
		"cut off": extractTest[:1000],
	} {
		if _, err := decodeSheet(sheet); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
