"""PDF (by poppler), OFD (by ofdrw) and the preview show the same page.

All three are brought to the same size at 100 dpi, grey, and blurred a little, because renderers
differ in how they smooth edges; what remains are things missing, moved or of another shape.
Three numbers per pair: the share of pixels that differ by more than 64 of 255, the mean
difference, and the mean difference in the worst square of 3 mm, because a licence is mostly
white and a lost word hardly moves the first two. The QR symbol is left out: the preview draws
it with whole pixels per module, a little smaller than its box, and qr.py reads it. On a failure a picture (first, difference,
second) is left beside the rasters.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import numpy
import zxingcpp
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from picture import grey, raster
from report import RASTER, Licence, folder, licences, verdict

MAX_SHARE = 0.5  # per cent of the pixels
MAX_MEAN = 2.5  # of 255; the hairlines of the frame alone make 1.7 to 2.3
MAX_SQUARE = 40  # of 255; on a trial page the renderers alone made 24, one lost digit 50
BLUR = 1.2  # pixels at 100 dpi
HALF_SQUARE = 5  # pixels at 100 dpi: a square of 11, that is 2.8 mm


def symbol_box(file: Path) -> tuple[float, float, float, float] | None:
    """The QR symbol with a margin of its finder's width, as shares of the page."""
    flat = grey(file)
    for code in zxingcpp.read_barcodes(flat, zxingcpp.BarcodeFormat.QRCode):
        corner, other = code.position.top_left, code.position.bottom_right
        margin = (other.x - corner.x) // 12
        return ((corner.x - margin) / flat.width, (corner.y - margin) / flat.height,
                (other.x + margin) / flat.width, (other.y + margin) / flat.height)
    return None


def page(file: Path, size: tuple[int, int] | None, symbol: tuple[float, float, float, float] | None) -> Image.Image:
    flat = grey(file)
    if symbol:
        left, top, right, bottom = symbol
        ImageDraw.Draw(flat).rectangle((left * flat.width, top * flat.height, right * flat.width, bottom * flat.height), fill="white")
    size = size or (round(flat.width / 3), round(flat.height / 3))
    return flat.resize(size, Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(BLUR))


def judge(licence: Licence) -> None:
    first = next(iter(licence.files.values()))
    pages: dict[str, Image.Image] = {}
    faults, numbers = [], []
    symbol = None  # where the first drawing has it
    for kind in ("pdf", "ofd", "png"):
        if kind in licence.files:
            file = licence.files[kind] if kind == "png" else raster(licence, kind, 300)
            size = next(iter(pages.values())).size if pages else None
            try:
                symbol = symbol or symbol_box(file)
                pages[kind] = page(file, size, symbol)
            except OSError as error:
                faults.append(str(error))
    for one, other in combinations(pages, 2):
        apart = ImageChops.difference(pages[one], pages[other])
        values = numpy.asarray(apart, dtype=numpy.float64)
        share, mean = (values > 64).mean() * 100, values.mean()
        square = apart.filter(ImageFilter.BoxBlur(HALF_SQUARE)).getextrema()[1]
        said = f"{one}-{other} {share:.3f} % {mean:.3f} {square}"
        numbers.append(said)
        if share > MAX_SHARE or mean > MAX_MEAN or square > MAX_SQUARE:
            faults.append(f"{said}, see {show(licence, one, other, pages, apart)}")
    verdict("rasters", first.with_suffix(""), faults, ", ".join(numbers))


def show(licence: Licence, one: str, other: str, pages: dict[str, Image.Image], apart: Image.Image) -> str:
    width, height = apart.size
    panel = Image.new("L", (3 * width, height))
    for column, picture in enumerate((pages[one], ImageChops.invert(apart), pages[other])):
        panel.paste(picture, (column * width, 0))
    name = f"{licence.number}.{one}-{other}.png"
    panel.save(RASTER / name)
    return name


with ThreadPoolExecutor(2) as pool:
    list(pool.map(judge, licences(folder())))
