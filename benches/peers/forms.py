"""docxtpl on the same form, the same data and the same photo as `cargo bench --bench forms`.

forms.py [OUR_MS]: prints docxtpl's median, and the ratio when our own milliseconds are given.
Our template's content controls become docxtpl's `{{ … }}`; the rest of the document is the same.
"""

import copy
import io
import json
import statistics
import sys
import time
from pathlib import Path

from docx import Document
from docx.shared import Mm
from docxtpl import DocxTemplate, InlineImage

ROOT = Path(__file__).resolve().parents[2]
FORM = "constructor-2-initial"
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def tag(control) -> str:
    return control.find(f"{W}sdtPr/{W}tag").get(f"{W}val")


def expression(name: str) -> str:
    listed, _, column = name.rpartition(".")
    return f"{{{{ row['{column}'] }}}}" if listed else f"{{{{ form['{name}'] }}}}"


def template() -> bytes:
    document = Document(str(ROOT / f"layouts/forms/{FORM}.docx"))
    for row in list(document.element.body.iter(f"{W}tr")):
        lists = {tag(c).split(".")[0] for c in row.iter(f"{W}sdt") if "." in tag(c)}
        for name in lists:  # docxtpl wants the loop's two ends in rows of their own
            for end, text in ((row.addprevious, f"{{%tr for row in form['{name}'] %}}"), (row.addnext, "{%tr endfor %}")):
                marker = copy.deepcopy(row)
                for control in list(marker.iter(f"{W}sdt")):
                    control.getparent().remove(control)
                marker.find(f".//{W}p").append(run(text))
                end(marker)
    for control in list(document.element.body.iter(f"{W}sdt")):
        control.getparent().replace(control, run(expression(tag(control))))
    for text in document.sections[0].header._element.iter(f"{W}t"):
        text.text = expression("申请编号")
    packed = io.BytesIO()
    document.save(packed)
    return packed.getvalue()


def run(text: str):
    paragraph = Document().add_paragraph(text)
    return paragraph.runs[0]._element


def main() -> None:
    samples = ROOT / "samples/forms"
    data = json.loads((samples / f"{FORM}.json").read_text("utf-8"))
    data.setdefault("二维码", "")
    packed, times = template(), []
    for _ in range(12):
        start = time.perf_counter()
        document = DocxTemplate(io.BytesIO(packed))
        photo = InlineImage(document, str(samples / data["照片"]), width=Mm(25))
        document.render({"form": data | {"照片": photo}}, autoescape=True)
        document.save(io.BytesIO())
        times.append((time.perf_counter() - start) * 1000)
    peer = statistics.median(times[2:])
    ratio = f", {peer / float(sys.argv[1]):.0f} times ours" if len(sys.argv) > 1 else ""
    print(f"docxtpl {FORM}: {peer:.1f} ms{ratio}")


if __name__ == "__main__":
    main()
