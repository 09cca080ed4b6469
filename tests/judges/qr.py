"""zxing-cpp and ZBar read the QR code from every drawing, and it is the one in the report."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import zxingcpp
from PIL import Image, ImageFilter

from picture import grey, raster
from report import Licence, folder, licences, verdict

RESOLUTIONS = (150, 200, 300)


def pictures(licence: Licence, kind: str) -> dict[int, Image.Image]:
    if kind != "png":
        return {dpi: grey(raster(licence, kind, dpi)) for dpi in RESOLUTIONS}
    # The preview has one size of its own: bring it to what the page measures at each resolution.
    preview = grey(licence.files["png"])
    page = next(grey(raster(licence, drawn, 300)) for drawn in ("pdf", "ofd") if drawn in licence.files)
    sizes = {dpi: (page.width * dpi // 300, page.height * dpi // 300) for dpi in RESOLUTIONS}
    return {dpi: preview.resize(size, Image.Resampling.BOX if size[0] < preview.width
                                else Image.Resampling.BICUBIC) for dpi, size in sizes.items()}


def scanned(picture: Image.Image) -> Image.Image:
    """The code as from a scanner: laid on 2 degrees askew and a little out of focus."""
    for code in zxingcpp.read_barcodes(picture, zxingcpp.BarcodeFormat.QRCode)[:1]:
        corner, margin = code.position.top_left, 100
        other = code.position.bottom_right
        picture = picture.crop((max(corner.x - margin, 0), max(corner.y - margin, 0),
                                other.x + margin, other.y + margin))
    askew = picture.rotate(2, Image.Resampling.BICUBIC, fillcolor=255)
    return askew.filter(ImageFilter.GaussianBlur(1.5))


def read(picture: Image.Image) -> list[str]:
    return [code.text for code in zxingcpp.read_barcodes(picture, zxingcpp.BarcodeFormat.QRCode)]


def said(texts: list[str]) -> str:
    return f"another text, {texts[0][-24:]!r} at its end" if len(texts) == 1 else f"{len(texts)} codes read"


def zbar(picture: Image.Image) -> list[str]:
    with subprocess.Popen(["zbarimg", "-q", "--raw", "-Sdisable", "-Sqrcode.enable", "PNG:-"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as reader:
        picture.save(reader.stdin, "PNG", compress_level=1)
        reader.stdin.close()
        return reader.stdout.read().decode("utf-8").splitlines()


def judge(licence: Licence, kind: str) -> None:
    faults = []
    try:
        drawn = pictures(licence, kind)
        readings = {f"{dpi} dpi": read(picture) for dpi, picture in drawn.items()}
        readings["300 dpi, 2° askew and blurred"] = read(scanned(drawn[300]))
        readings["200 dpi by ZBar"] = zbar(drawn[200])
        faults = [f"{where}: {said(texts)}" for where, texts in readings.items()
                  if texts != [licence.qr]]
    except OSError as error:
        faults = [str(error)]
    verdict("qr", licence.files[kind], faults)


with ThreadPoolExecutor(2) as pool:
    work = [(one, kind) for one in licences(folder()) for kind in ("pdf", "ofd", "png") if kind in one.files]
    list(pool.map(lambda pair: judge(*pair), work))
