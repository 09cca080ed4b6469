"""One licence as PDF by typst and by reportlab: the page of `tests/golden/r01-….txt`, drawn with what they offer.

pages.py DIR [OUR_FASTEST OUR_MEDIAN]: fastest and median time of each in ms, and the ratio of the fastest (which other
work of the machine disturbs least) when our own are given; a specimen of each goes to DIR. Both are warm, on one
thread, and get what certpress makes itself (places of the texts, modules of the code) ready-made; every document has
another number and name, so that nothing can be answered from a cache.
"""

import io
import re
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import reportlab
import segno
import typst
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden/r01-constructor-1-rare-character.txt"
RECORDS = ROOT / "samples/records"
NUMBER, NAME = "京1112012201990001", "王䶮"
NAMES = ["王䶮", "李文博", "赵晓燕", "欧阳志远", "陈思雨", "刘建国", "周慧敏", "孙立军"]
BASE = "https://zz.example.cn/v/"
MM = 72 / 25.4
WARM, TIMED = 20, 200


@dataclass
class Text:
    words: str
    size: float  # mm
    x: float
    y: float  # of the baseline, from the top
    color: tuple[int, int, int]
    bold: bool


@dataclass
class Picture:
    file: Path
    area: list[float]  # x y width height


def page() -> tuple[list[Text], list[Picture], list[float]]:
    """Texts, pictures and the code's place; the turned sample mark is left out."""
    texts, areas, code, role, color = [], [], [], "", (0, 0, 0)
    for line in GOLDEN.read_text("utf-8").splitlines():
        area = re.search(r"\[([\d. ]+)\]", line)
        if started := re.match(r"(?:face|page) text (\w+)", line):
            role = started[1]
            color = tuple(map(int, re.search(r"Rgb\((\d+), (\d+), (\d+)\)", line).groups()))
        elif run := re.match(r" {7}(.+) ([\d.]+) at ([\d.]+),([\d.]+) ([\d.]+)$", line):
            if role != "Ornament":
                size, x, y = map(float, run.groups()[1:4])
                texts.append(Text(run[1], size, x, y, color, role == "Title"))
        elif line.startswith("page image"):
            areas.append([float(n) for n in area[1].split()])
        elif line.startswith("page qr"):
            code = [float(n) for n in area[1].split()]
    files = [RECORDS / "photos/p01.jpg", RECORDS / "signatures/s01.png"]
    return texts, [Picture(file, at) for file, at in zip(files, areas, strict=True)], code


TEXTS, PICTURES, CODE = page()
FRAMES = [(7, 0.15), (10, 0.45), (14, 0.15)]  # distance from the edge, width


def holder(i: int) -> tuple[str, str]:
    return NAMES[i % len(NAMES)], f"京1112012201{990001 + i:06}"


def modules() -> list[tuple[float, float, float]]:
    """The dark runs of a code as large as ours (version 8-M) as x, y, length in mm."""
    matrix = segno.make(BASE + "0123456789" * 12, error="m", version=8, micro=False, boost_error=False).matrix
    side, runs = CODE[2] / len(matrix), []
    for row, line in enumerate(matrix):
        for run in re.finditer(b"\1+", bytes(line)):
            runs.append((CODE[0] + run.start() * side, CODE[1] + row * side, len(run[0]) * side))
    return runs


def typst_source() -> str:
    """The page; name and number come with each call."""
    parts = ['#set page(width: 210mm, height: 297mm, margin: 0mm)',
             f'#set document(title: "{TEXTS[0].words}")', '#set text(lang: "zh", top-edge: "baseline", cjk-latin-spacing: none)']
    for inset, width in FRAMES:
        parts.append(f'#place(dx: {inset}mm, dy: {inset}mm, rect(width: {210 - 2 * inset}mm, '
                     f'height: {297 - 2 * inset}mm, stroke: {width}mm + rgb("#3f78b5")))')
    for text in TEXTS:
        words = f'"{text.words}"'.replace(f'"{NAME}"', "sys.inputs.name").replace(f'"{NUMBER}"', "sys.inputs.number")
        weight = ', weight: "bold", font: "Certpress Hei Bold"' if text.bold else ', font: "Certpress Hei"'
        parts.append(f"#place(dx: {text.x}mm, dy: {text.y}mm, text(size: {text.size}mm, "
                     f"fill: rgb{text.color}{weight}, {words}))")
    for picture in PICTURES:
        x, y, w, h = picture.area
        parts.append(f'#place(dx: {x}mm, dy: {y}mm, image("/{picture.file.relative_to(ROOT)}", '
                     f'width: {w}mm, height: {h}mm, alt: "{picture.file.stem}"))')
    side = CODE[2] / 49
    moves = "".join(f"curve.move(({x:.3f}mm, {y:.3f}mm)), curve.line(({x + w:.3f}mm, {y:.3f}mm)), "
                    f"curve.line(({x + w:.3f}mm, {y + side:.3f}mm)), curve.line(({x:.3f}mm, {y + side:.3f}mm)), "
                    "curve.close(), " for x, y, w in modules())
    parts.append(f"#place(curve(fill: black, {moves}))")
    return "\n".join(parts)


def with_typst():
    compiler = typst.Compiler(root=ROOT, font_paths=[ROOT / "fonts"], ignore_system_fonts=True)
    source = typst_source().encode()

    def make(i: int) -> bytes:
        name, number = holder(i)
        return compiler.compile(source, format="pdf", sys_inputs={"name": name, "number": number}, timestamp=0,
                                pdf_standards="a-3u")
    return make


def with_reportlab():
    for font in ("Hei", "HeiBold"):
        pdfmetrics.registerFont(TTFont(font, ROOT / f"fonts/{font}.ttf"))
    pictures = [(ImageReader(str(p.file)), p.area) for p in PICTURES]
    dark, side = modules(), CODE[2] / 49

    def make(i: int) -> bytes:
        name, number = holder(i)
        out = io.BytesIO()
        canvas = Canvas(out, pagesize=(210 * MM, 297 * MM), pageCompression=1, invariant=1)
        canvas.setTitle(TEXTS[0].words)
        canvas.setStrokeColorRGB(63 / 255, 120 / 255, 181 / 255)
        for inset, width in FRAMES:
            canvas.setLineWidth(width * MM)
            canvas.rect(inset * MM, inset * MM, (210 - 2 * inset) * MM, (297 - 2 * inset) * MM)
        for text in TEXTS:
            words = {NAME: name, NUMBER: number}.get(text.words, text.words)
            canvas.setFont("HeiBold" if text.bold else "Hei", text.size * MM)
            canvas.setFillColorRGB(*(c / 255 for c in text.color))
            canvas.drawString(text.x * MM, (297 - text.y) * MM, words)
        for picture, (x, y, w, h) in pictures:
            canvas.drawImage(picture, x * MM, (297 - y - h) * MM, w * MM, h * MM, mask="auto")
        canvas.setFillGray(0)
        path = canvas.beginPath()
        for x, y, w in dark:
            path.rect(x * MM, (297 - y - side) * MM, w * MM, side * MM)
        canvas.drawPath(path, stroke=0, fill=1)
        canvas.save()
        return out.getvalue()
    return make


def main() -> None:
    folder, ours = Path(sys.argv[1]), [float(ms) for ms in sys.argv[2:]]
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{'one licence as PDF, ms':<26}{'fastest':>9}{'median':>9}{'KB':>7}   ratio")
    if ours:
        print(f"{'certpress, from record':<26}{ours[0]:9.2f}{ours[1]:9.2f}")
    for name, make in ((f"typst {typst.__version__}", with_typst()), (f"reportlab {reportlab.__version__}", with_reportlab())):
        (folder / f"{name.split()[0]}.pdf").write_bytes(specimen := make(0))
        for i in range(WARM):
            make(i + 1)
        times = []
        for i in range(TIMED):
            start = time.perf_counter()
            make(WARM + 1 + i)
            times.append((time.perf_counter() - start) * 1000)
        ratio = f"{min(times) / ours[0]:8.1f}" if ours else ""
        print(f"{name:<26}{min(times):9.2f}{statistics.median(times):9.2f}{len(specimen) / 1000:7.1f}{ratio}", flush=True)


if __name__ == "__main__":
    main()
