package pictures

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/image/bmp"
)

// header is what a picture's file says first.
type header struct {
	h, w int
	gray bool // stored as gray
}

// format is a kind of picture file, known by its first bytes.
type format struct {
	magic  string
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

var formats = []format{
	{"\x89PNG", png.DecodeConfig, png.Decode},
	{"\xff\xd8", jpeg.DecodeConfig, jpeg.Decode},
	{"GIF8", gif.DecodeConfig, decodeGIF},
	{"BM", bmp.DecodeConfig, bmp.Decode},
}

// open opens a picture and finds its format, whatever its name says. Errors do not
// name the file.
func open(path string) (*os.File, *bufio.Reader, format, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, format{}, withoutPath(err)
	}
	r := bufio.NewReader(f)
	head, err := r.Peek(4)
	for _, known := range formats {
		if strings.HasPrefix(string(head), known.magic) {
			return f, r, known, nil
		}
	}
	_ = f.Close()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, format{}, withoutPath(err)
	}
	return nil, nil, format{}, fmt.Errorf("is no PNG, JPEG, GIF or BMP: it begins with %q", head)
}

// withoutPath drops the path that package os puts into its errors.
func withoutPath(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// readHeader reads a picture's header. Errors name the file.
func readHeader(path string) (header, error) {
	f, r, format, err := open(path)
	if err != nil {
		return header{}, fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	c, err := format.config(r)
	if err != nil {
		return header{}, fmt.Errorf("%s: %w", path, damaged(err))
	}
	if err := checkSize(c.Height, c.Width); err != nil {
		return header{}, fmt.Errorf("%s: %w", path, err)
	}
	gray := c.ColorModel == color.GrayModel || c.ColorModel == color.Gray16Model
	return header{c.Height, c.Width, gray}, nil
}

// decode writes a picture of h×w pixels to dst, (h,w,1) or (h,w,3) as its length
// says. Errors name the file.
func decode(dst []uint8, path string, h, w int) error {
	f, r, format, err := open(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	picture, err := format.decode(r)
	if err != nil {
		return fmt.Errorf("%s: %w", path, damaged(err))
	}
	if size := picture.Bounds().Size(); size != image.Pt(w, h) {
		return fmt.Errorf("%s: has %d×%d pixels, not %d×%d as its header says", path, size.X, size.Y, w, h)
	}
	rgb, err := pixels(picture)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	c := len(dst) / (h * w)
	for y := range h {
		for x := range w {
			v := rgb(x, y)
			copy(dst[(y*w+x)*c:(y*w+x+1)*c], v[:])
		}
	}
	return nil
}

// decodeGIF takes a GIF of one frame. Go loses the colour of transparent pixels,
// which Pillow shows, so there may be none.
func decodeGIF(r io.Reader) (image.Image, error) {
	g, err := gif.DecodeAll(r)
	if err != nil {
		return nil, err
	}
	if len(g.Image) != 1 {
		return nil, fmt.Errorf("is an animation of %d frames", len(g.Image))
	}
	frame := g.Image[0]
	for _, i := range frame.Pix {
		if _, _, _, alpha := frame.Palette[i].RGBA(); alpha == 0 {
			return nil, errors.New("has transparent pixels, whose colour is not known: convert it to PNG")
		}
	}
	if frame.Rect != image.Rect(0, 0, g.Config.Width, g.Config.Height) {
		return nil, errors.New("has a frame smaller than itself: convert it to PNG")
	}
	return frame, nil
}

// damaged says a cut-off file plainly. The decoder of PNGs wraps only the text.
func damaged(err error) error {
	if errors.Is(err, io.EOF) || strings.HasSuffix(err.Error(), io.ErrUnexpectedEOF.Error()) {
		return errors.New("is cut off")
	}
	return err
}

// pixels is a function for a picture's pixels as red, green, blue. Alpha is
// dropped, not blended; of 16 bits the upper 8 are taken. x and y begin at 0.
func pixels(picture image.Image) (func(x, y int) [3]uint8, error) {
	switch p := picture.(type) {
	case *image.Gray:
		return func(x, y int) [3]uint8 { return gray(p.Pix[y*p.Stride+x]) }, nil
	case *image.Gray16:
		return func(x, y int) [3]uint8 { return gray(p.Pix[y*p.Stride+2*x]) }, nil
	case *image.RGBA: // of these decoders always opaque
		return func(x, y int) [3]uint8 { return [3]uint8(p.Pix[y*p.Stride+4*x:]) }, nil
	case *image.NRGBA:
		return func(x, y int) [3]uint8 { return [3]uint8(p.Pix[y*p.Stride+4*x:]) }, nil
	case *image.RGBA64:
		return func(x, y int) [3]uint8 { return upper(p.Pix[y*p.Stride+8*x:]) }, nil
	case *image.NRGBA64:
		return func(x, y int) [3]uint8 { return upper(p.Pix[y*p.Stride+8*x:]) }, nil
	case *image.Paletted:
		colours := palette(p.Palette)
		return func(x, y int) [3]uint8 { return colours[p.Pix[y*p.Stride+x]] }, nil
	case *image.CMYK:
		return func(x, y int) [3]uint8 {
			i := y*p.Stride + 4*x
			r, g, b := color.CMYKToRGB(p.Pix[i], p.Pix[i+1], p.Pix[i+2], p.Pix[i+3])
			return [3]uint8{r, g, b}
		}, nil
	case *image.YCbCr:
		return yCbCr(p), nil
	}
	return nil, fmt.Errorf("has pixels of an unknown kind (%T)", picture)
}

func gray(v uint8) [3]uint8 { return [3]uint8{v, v, v} }

// upper takes the upper bytes of three big-endian numbers.
func upper(p []uint8) [3]uint8 { return [3]uint8{p[0], p[2], p[4]} }

// palette is a palette's colours without alpha.
func palette(p color.Palette) (colours [256][3]uint8) {
	for i, c := range p {
		switch c := c.(type) {
		case color.NRGBA:
			colours[i] = [3]uint8{c.R, c.G, c.B}
		case color.RGBA:
			colours[i] = [3]uint8{c.R, c.G, c.B}
		}
	}
	return colours
}
