// Command extract remakes the extract of Fashion-MNIST that is embedded in the
// program, from the four official files:
//
//	go run ./internal/dataset/extract -data DIR
//
// It takes the first 200 training and the first 50 test images of each class, in
// the files' order. On the sheet, row k holds the k-th image of every class, and
// column l the class with label l; so the labels need no file of their own, and
// the first n images of the extract are balanced.
package main

import (
	"flag"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"

	"diffuse/internal/atomicfile"
	"diffuse/internal/dataset"
)

func main() {
	data := flag.String("data", os.Getenv("DIFFUSE_DATA"), "folder that holds fashion-mnist/")
	out := flag.String("out", filepath.Join("internal", "dataset"), "folder to write the sheets to")
	flag.Parse()
	for split, rows := range map[dataset.Split]int{dataset.Train: 200, dataset.Test: 50} {
		if err := extract(*data, *out, split, rows); err != nil {
			fmt.Fprintln(os.Stderr, "extract:", err)
			os.Exit(1)
		}
	}
}

func extract(data, out string, split dataset.Split, rows int) error {
	set, err := dataset.Open(dataset.FashionMNIST, data, split)
	if err != nil {
		return err
	}
	sheet, err := firstOfEachClass(set, rows)
	if err != nil {
		return err
	}
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	return atomicfile.Write(filepath.Join(out, "extract-"+split.String()+".png"), func(w io.Writer) error {
		return encoder.Encode(w, sheet)
	})
}

func firstOfEachClass(set *dataset.Set, rows int) (*image.Gray, error) {
	sheet := image.NewGray(image.Rect(0, 0, len(set.Classes)*set.W, rows*set.H))
	taken := make([]int, len(set.Classes))
	for i, label := range set.Labels {
		if taken[label] == rows {
			continue
		}
		paste(sheet, int(label)*set.W, taken[label]*set.H, set, i)
		taken[label]++
	}
	for label, n := range taken {
		if n < rows {
			return nil, fmt.Errorf("class %s has %d images, not %d", set.Classes[label], n, rows)
		}
	}
	return sheet, nil
}

// paste copies image i of set to (x0, y0) of the sheet.
func paste(sheet *image.Gray, x0, y0 int, set *dataset.Set, i int) {
	pixels := set.Pixels[i*set.H*set.W:]
	for y := range set.H {
		copy(sheet.Pix[sheet.PixOffset(x0, y0+y):], pixels[y*set.W:(y+1)*set.W])
	}
}
