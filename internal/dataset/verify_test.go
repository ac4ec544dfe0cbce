package dataset

import (
	"os"
	"path/filepath"
	"testing"

	"diffuse/internal/fault"

	"github.com/google/go-cmp/cmp"
)

func TestVerifyRealFashion(t *testing.T) {
	r, err := Verify(FashionMNIST, sharedData(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Files) != 4 || !r.Official() {
		t.Errorf("files %+v", r.Files)
	}
	if r.Train.Images != 60000 || r.Test.Images != 10000 || r.Train.PerClass[9] != 6000 {
		t.Errorf("report %+v", r)
	}
}

func TestVerifyUnofficial(t *testing.T) {
	files := map[string][]byte{}
	for i, name := range append(batchNames(Train), batchNames(Test)...) {
		files["cifar-10/"+name] = batch(2, i)
	}
	dir := place(t, files)
	r, err := Verify(CIFAR10, dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Files) != 6 || r.Official() || r.Files[0].Bytes != 2*3073 || r.Train.Images != 10 {
		t.Errorf("report %+v", r)
	}
	if diff := cmp.Diff([]int{1, 2, 2, 2, 2, 1, 0, 0, 0, 0}, r.Train.PerClass); diff != "" {
		t.Error(diff)
	}
	if err := os.Remove(filepath.Join(dir, CIFAR10, "test_batch.bin")); err != nil {
		t.Fatal(err)
	}
	_, err = Verify(CIFAR10, dir)
	wantData(t, err, "does not hold cifar-10")
}

func TestVerifyDamaged(t *testing.T) {
	// The official size, other bytes.
	dir := place(t, map[string][]byte{"cifar-10/cifar-10-batches-bin/data_batch_1.bin": batch(cifarBatch, 0)})
	_, err := Verify(CIFAR10, dir)
	wantData(t, err, "data_batch_1.bin has SHA-256")
}

func TestVerifyExtract(t *testing.T) {
	r, err := Verify(FashionExtract, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Files) != 0 || r.Train.Images != 2000 || r.Train.PerClass[3] != 200 || r.Test.PerClass[3] != 50 {
		t.Errorf("report %+v", r)
	}
	_, err = Verify("no such set", "")
	if fault.Code(err) != int(fault.Usage) {
		t.Errorf("unknown name: %v", err)
	}
}
