"""docxtpl and docxtemplater on the same form and data as `cargo bench --bench forms`.

forms.py DIR [OUR_FASTEST OUR_MEDIAN]: fastest and median time of each in ms, and the ratio of the fastest when our own
are given. Our template's content controls become the peers' `{{ … }}` and `{…}`; the rest of the document is the same.
docxtemplater's module for pictures is not free, so it leaves the photo out. DIR holds docxtemplater's node_modules.
"""

import copy
import io
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from docx import Document
from docx.shared import Mm
from docxtpl import DocxTemplate, InlineImage

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples/forms"
FORM = "constructor-2-initial"
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


DOCXTPL = {
    "field": "{{{{ form['{0}'] }}}}", "column": "{{{{ row['{1}'] }}}}",
    "begin": "{{%tr for row in form['{0}'] %}}", "end": "{{%tr endfor %}}",
}
DOCXTEMPLATER = {"field": "{{{0}}}", "column": "{{{1}}}", "begin": "{{#{0}}}", "end": "{{/{0}}}"}


def tag(control) -> str:
    return control.find(f"{W}sdtPr/{W}tag").get(f"{W}val")


def template(syntax: dict[str, str]) -> bytes:
    """The form with a peer's marks in place of the content controls. A loop's two ends are rows of their own."""
    document = Document(str(ROOT / f"layouts/forms/{FORM}.docx"))
    for row in list(document.element.body.iter(f"{W}tr")):
        lists = {tag(c).split(".")[0] for c in row.iter(f"{W}sdt") if "." in tag(c)}
        for name in lists:
            for put, end in ((row.addprevious, "begin"), (row.addnext, "end")):
                marker = copy.deepcopy(row)
                for control in list(marker.iter(f"{W}sdt")):
                    control.getparent().remove(control)
                marker.find(f".//{W}p").append(run(syntax[end].format(name)))
                put(marker)
    for control in list(document.element.body.iter(f"{W}sdt")):
        name = tag(control)
        mark = syntax["column"].format(*name.split(".")) if "." in name else syntax["field"].format(name)
        control.getparent().replace(control, run(mark))
    for text in document.sections[0].header._element.iter(f"{W}t"):
        text.text = syntax["field"].format("申请编号")
    packed = io.BytesIO()
    document.save(packed)
    return packed.getvalue()


def run(text: str):
    return Document().add_paragraph(text).runs[0]._element


def docxtpl(data: dict) -> list[float]:
    packed, times = template(DOCXTPL), []
    for _ in range(12):
        start = time.perf_counter()
        document = DocxTemplate(io.BytesIO(packed))
        photo = InlineImage(document, str(SAMPLES / data["照片"]), width=Mm(25))
        document.render({"form": data | {"照片": photo}}, autoescape=True)
        document.save(io.BytesIO())
        times.append((time.perf_counter() - start) * 1000)
    return times[2:]


def docxtemplater(data: dict, folder: Path) -> list[float]:
    (folder / "form.docx").write_bytes(template(DOCXTEMPLATER))
    (folder / "form.json").write_text(json.dumps(data), "utf-8")
    script = Path(__file__).with_name("docxtemplater.cjs")
    command = ["node", str(script), "form.docx", "form.json"]
    done = subprocess.run(command, cwd=folder, env=os.environ | {"NODE_PATH": str(folder / "node_modules")},
                          check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def main() -> None:
    folder, ours = Path(sys.argv[1]).resolve(), [float(ms) for ms in sys.argv[2:]]
    data = json.loads((SAMPLES / f"{FORM}.json").read_text("utf-8"))
    data.setdefault("二维码", "")
    print(f"{'one Word form, ms':<26}{'fastest':>9}{'median':>9}   ratio")
    if ours:
        print(f"{'certpress':<26}{ours[0]:9.2f}{ours[1]:9.2f}")
    for name, times in (("docxtpl", docxtpl(data)), ("docxtemplater, no photo", docxtemplater(data, folder))):
        ratio = f"{min(times) / ours[0]:8.1f}" if ours else ""
        print(f"{name:<26}{min(times):9.2f}{statistics.median(times):9.2f}{ratio}", flush=True)


if __name__ == "__main__":
    main()
