"""One licence by typst, reportlab, pyHanko, WeasyPrint, PDFBox and ofdrw: the page of `tests/golden/r01-….txt`, drawn with
what they offer.

pages.py DIR [OUR_FASTEST OUR_MEDIAN for PDF, then for OFD]: fastest and median time of each in ms, and the ratio of the
fastest (which other work of the machine disturbs least) when our own are given; a specimen of each goes to DIR. All are
warm, on one thread, and get what certpress makes itself (places of the texts, modules of the code) ready-made; every
document has another number and name, so that nothing can be answered from a cache.
"""

import datetime
import html
import io
import logging
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import reportlab
import segno
import typst
import weasyprint
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields, signers
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
WARM, TIMED, SECONDS = 10, 200, 30


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


def signer(folder: Path) -> signers.SimpleSigner:
    """A P-256 key and its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "peer")])
    now = datetime.datetime.now(datetime.UTC)
    usage = x509.KeyUsage(True, True, *[False] * 7)
    bare = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(30)).add_extension(usage, True)
    pem = serialization.Encoding.PEM
    (folder / "peer.cert.pem").write_bytes(bare.sign(key, hashes.SHA256()).public_bytes(pem))
    form = serialization.PrivateFormat.PKCS8
    (folder / "peer.key.pem").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return signers.SimpleSigner.load(str(folder / "peer.key.pem"), str(folder / "peer.cert.pem"))


def with_pyhanko(folder: Path):
    drawn, by = with_reportlab(), signer(folder)
    how = signers.PdfSignatureMetadata(field_name="Seal", md_algorithm="sha256", certify=True, subfilter=fields.SigSeedSubFilter.PADES)

    def make(i: int) -> bytes:
        return signers.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(drawn(i))), how, signer=by).getvalue()
    return make


def with_weasyprint():
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    font = lambda name: f"@font-face{{font-family:{name};src:url(fonts/{name}.ttf)}}"
    style = f"{font('Hei')}{font('HeiBold')}@page{{size:210mm 297mm;margin:0}}body>*{{position:absolute;line-height:1;white-space:pre}}"
    configuration = weasyprint.text.fonts.FontConfiguration()
    sheet = weasyprint.CSS(string=style, font_config=configuration, base_url=f"{ROOT}/")
    at = lambda x, y, w, h: f"left:{x}mm;top:{y}mm;width:{w}mm;height:{h}mm"
    fixed = [f'<div style="{at(d, d, 210 - 2 * d, 297 - 2 * d)};box-sizing:border-box;border:{w}mm solid #3f78b5"></div>' for d, w in FRAMES]
    fixed += [f'<img alt="{p.file.stem}" src="{p.file}" style="{at(*p.area)}">' for p in PICTURES]
    side = CODE[2] / 49
    path = "".join(f"M{x - CODE[0]:.3f} {y - CODE[1]:.3f}h{w:.3f}v{side:.3f}h-{w:.3f}z" for x, y, w in modules())
    fixed.append(f'<svg style="{at(CODE[0], CODE[1], CODE[2], CODE[2])}" viewBox="0 0 {CODE[2]} {CODE[2]}"><path d="{path}"/></svg>')

    def make(i: int) -> bytes:
        name, number = holder(i)
        texts = [f'<div style="left:{t.x}mm;top:{t.y - 0.88 * t.size:.3f}mm;font:{t.size}mm {"HeiBold" if t.bold else "Hei"};color:rgb{t.color}">'
                 f"{html.escape({NAME: name, NUMBER: number}.get(t.words, t.words))}</div>" for t in TEXTS]
        page = f'<html lang="zh"><title>{TEXTS[0].words}</title><body>{"".join(texts + fixed)}'
        return weasyprint.HTML(string=page, base_url=f"{ROOT}/").write_pdf(
            stylesheets=[sheet], font_config=configuration, pdf_variant="pdf/a-3u")
    return make


def with_java(folder: Path):
    """PDFBox and ofdrw get the page as lines of words and numbers; they tell name, fastest, median and bytes."""
    lines = [f"text\t{t.x}\t{t.y}\t{t.size}\t{','.join(map(str, t.color))}\t{t.bold}\t{t.words}" for t in TEXTS]
    lines += [f"picture\t{p.file}\t" + "\t".join(map(str, p.area)) for p in PICTURES]
    lines += [f"frame\t{inset}\t{width}" for inset, width in FRAMES]
    lines += [f"module\t{x:.3f}\t{y:.3f}\t{w:.3f}\t{CODE[2] / 49:.3f}" for x, y, w in modules()]
    (folder / "page.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    java = ["java", "-cp", f"{folder}/java/classes:{folder}/java/dependency/*", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "Pages"]
    run = subprocess.run([*java, folder, ROOT / "fonts", NAME, NUMBER], stdout=subprocess.PIPE, text=True, check=True)
    return [line.split("\t") for line in run.stdout.splitlines()]


def timed(make) -> tuple[float, float]:
    for i in range(WARM):
        make(i + 1)
    times, until = [], time.perf_counter() + SECONDS
    while len(times) < TIMED and time.perf_counter() < until:
        start = time.perf_counter()
        make(WARM + 1 + len(times))
        times.append((time.perf_counter() - start) * 1000)
    return min(times), statistics.median(times)


def main() -> None:
    folder, given = Path(sys.argv[1]).resolve(), [float(ms) for ms in sys.argv[2:]]
    folder.mkdir(parents=True, exist_ok=True)
    ours = dict(zip(("PDF", "OFD"), zip(given[::2], given[1::2])))

    def row(name: str, kind: str, fastest: float, median: float, size: float) -> None:
        ratio = f"{fastest / ours[kind][0]:8.1f}" if kind in ours else ""
        print(f"{name:<36}{fastest:9.2f}{median:9.2f}{size / 1000:8.1f}{ratio}", flush=True)

    def head(kind: str) -> None:
        print(f"{'one licence as ' + kind + ', ms':<36}{'fastest':>9}{'median':>9}{'KB':>8}   ratio")
        if kind in ours:
            print(f"{'certpress, from record, signed':<36}{ours[kind][0]:9.2f}{ours[kind][1]:9.2f}")

    head("PDF")
    for file, name, make in (
        ("typst", f"typst {typst.__version__}, unsigned", with_typst()),
        ("reportlab", f"reportlab {reportlab.__version__}, unsigned", with_reportlab()),
        ("pyhanko", f"… and pyHanko {version('pyHanko')}, signed", with_pyhanko(folder)),
        ("weasyprint", f"WeasyPrint {weasyprint.__version__}, unsigned", with_weasyprint()),
    ):
        (folder / f"{file}.pdf").write_bytes(specimen := make(0))
        row(name, "PDF", *timed(make), len(specimen))
    for kind, name, fastest, median, size in with_java(folder):
        if kind == "OFD":
            head("OFD")
        row(name, kind, float(fastest), float(median), float(size))


if __name__ == "__main__":
    main()
