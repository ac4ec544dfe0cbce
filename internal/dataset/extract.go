package dataset

import (
	"bytes"
	_ "embed"
	"fmt"
	"image"
	"image/png"

	"diffuse/internal/fault"
)

//go:generate go run ./extract -out .

// The extract's sheets: a row holds one image of each class, see the generator.
// Fashion-MNIST is Zalando SE's, under the MIT licence (NOTICE).
var (
	//go:embed extract-train.png
	extractTrain []byte
	//go:embed extract-test.png
	extractTest []byte
)

// openExtract decodes the embedded sheet: image i is of class i mod 10.
func openExtract(split Split) (*Set, error) {
	sheet := extractTrain
	if split == Test {
		sheet = extractTest
	}
	s, err := decodeSheet(sheet)
	if err != nil {
		return nil, fault.New(fault.Data, "", "%s: %w", FashionExtract, err)
	}
	return s, nil
}

func decodeSheet(sheet []byte) (*Set, error) {
	img, err := png.Decode(bytes.NewReader(sheet))
	if err != nil {
		return nil, err
	}
	gray, ok := img.(*image.Gray)
	size, classes := img.Bounds().Size(), len(fashionClasses)
	if !ok || size.X != classes*FashionSide || size.Y%FashionSide != 0 {
		return nil, fmt.Errorf("the sheet is %T of %v", img, size)
	}
	n := size.Y / FashionSide * classes
	pixels := make([]uint8, 0, n*FashionSide*FashionSide)
	labels := make([]uint8, n)
	for i := range n {
		labels[i] = uint8(i % classes)
		for y := range FashionSide {
			at := gray.PixOffset(i%classes*FashionSide, i/classes*FashionSide+y)
			pixels = append(pixels, gray.Pix[at:at+FashionSide]...)
		}
	}
	return newSet(FashionExtract, fashionClasses, FashionSide, FashionSide, 1, pixels, labels)
}
