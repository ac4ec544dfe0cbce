"""Writes forms/, one picture in many forms, and forms.npy, what Pillow reads from them.

Run in this folder: python3 make_pictures.py
The files here were made with Pillow 9.4.0 (libjpeg-turbo 2.1.5) on Python 3.11;
cjpeg is libjpeg-turbo's.
"""
import os
import subprocess

import numpy as np
from PIL import Image

h, w = 11, 14  # half of 11 is a row that is there in part
y, x = np.mgrid[0:h, 0:w]
rgb = np.stack([127 + 100 * np.sin(x / 3) * np.cos(y / 4), 127 + 90 * np.cos(x / 2 + y / 5), 127 + 110 * np.sin((x + y) / 3)], -1)
rgb = rgb.round().astype(np.uint8)
alpha = (x * 18).astype(np.uint8)
picture = Image.fromarray(rgb)
gray = picture.convert("L")
palette = picture.quantize(16)


def save(im, name, **how):
    im.save(f"forms/{name}", **how)


save(picture, "rgb.png")
save(gray, "gray.png")
save(Image.fromarray(rgb[:, :, 0] > 127), "gray1.png")  # a bit a pixel
save(Image.fromarray(np.dstack([rgb, alpha])), "alpha.png")
save(Image.fromarray(np.dstack([rgb[:, :, 0], alpha])), "gray_alpha.png")
save(palette, "palette.png")
save(palette, "palette_transparent.png", transparency=int(np.array(palette)[0, 0]))
save(gray, "gray_transparent.png", transparency=int(np.array(gray)[0, 0]))
save(picture, "rgb_transparent.png", transparency=tuple(int(v) for v in rgb[0, 0]))
save(palette, "palette.gif")
save(picture, "rgb.bmp")
save(palette, "palette.bmp")
save(gray, "gray.bmp")
save(gray, "gray.jpg", quality=90)
save(picture, "444.jpg", quality=90, subsampling=0)
save(picture, "422.jpg", quality=90, subsampling=1)
save(picture, "420.jpeg", quality=90, subsampling=2)
save(picture, "progressive.jpg", quality=90, progressive=True)
save(picture.convert("CMYK"), "cmyk.jpg", quality=90)
picture.save("rgb.ppm")
for name, sample in ("440", "1x2"), ("411", "4x1"), ("410", "4x2"):
    with open(f"forms/{name}.jpg", "wb") as f:
        subprocess.run(["cjpeg", "-quality", "90", "-sample", sample, "rgb.ppm"], stdout=f, check=True)
os.remove("rgb.ppm")

names = sorted(os.listdir("forms"))
np.save("forms.npy", np.stack([np.array(Image.open(f"forms/{n}").convert("RGB")) for n in names]))
