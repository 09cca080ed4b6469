"""Filled Word forms and lists, read back by other people's programs: the values are those that were put in.

It looks at `<form>.<blank|ordinary|full>.docx` and `exam-results.xlsx` as `cargo test --test forms` leaves them, filled
from samples/forms. One line of verdict for each file and reader.

python-docx reads each content control by its tag and must find exactly the value of that field. LibreOffice lays the
whole document out, and every value must be in the text of its PDF (it is skipped where it is not installed). openpyxl reads the spreadsheet: every cell is text.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import docx
import openpyxl
import report

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
ROOT = Path(__file__).resolve().parents[2]
FORMS = ROOT / "layouts" / "forms"


failed = False


def verdict(judge: str, file: Path, faults: list[str], note: str = "") -> None:
    global failed
    failed = failed or bool(faults)
    report.verdict(judge, file, faults, note)


def definition(form: str) -> dict:
    return tomllib.loads((FORMS / f"{form}.toml").read_text("utf-8"))


def written(field: dict, value: object) -> str:
    """A value as the form prints it."""
    if field.get("kind") == "date":
        year, month, day = str(value).split("-")
        parts = {"yyyy": year, "MM": month, "M": str(int(month)), "dd": day, "d": str(int(day))}
        return re.sub("yyyy|MM|M|dd|d", lambda m: parts[m[0]], field.get("format", "yyyy年M月d日"))
    return str(value)


def expected(form: str, data: dict) -> dict[str, list[str]]:
    """Tag → values in the order of the document."""
    known, found = definition(form), {}
    for name, field in known["fields"].items():
        if name in data and field.get("kind") not in ("picture", "qr"):
            found[name] = [written(field, data[name])]
    for name, many in known.get("lists", {}).items():
        for column, field in many["fields"].items():
            rows = data.get(name, [])
            if any(column in row for row in rows):
                found[f"{name}.{column}"] = [written(field, row[column]) if column in row else "" for row in rows]
    return found


def controls(document: docx.document.Document) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for control in document.element.body.iter(f"{W}sdt"):
        tag = control.find(f"{W}sdtPr/{W}tag")
        content = control.find(f"{W}sdtContent")
        if tag is None or content is None:
            continue
        text = "".join({f"{W}t": part.text or "", f"{W}br": "\n", f"{W}tab": "\t"}.get(part.tag, "")
                       for part in content.iter())
        found.setdefault(tag.get(f"{W}val"), []).append(text)
    return found


def judge_docx(file: Path, form: str, data: dict | None) -> None:
    document = docx.Document(str(file))
    faults = [] if document.tables else ["no table"]
    seen = controls(document)
    if data is not None:
        for tag, values in expected(form, data).items():
            if tag in seen:
                got = seen[tag][: len(values)] if "." in tag else sorted(set(seen[tag]))
                if got != values:
                    faults.append(f"{tag}: {got} is not {values}")
            checked = {t.split("=")[1] for t, texts in seen.items() if t.startswith(f"{tag}=") and "☑" in texts}
            options = {t.split("=")[1] for t in seen if t.startswith(f"{tag}=")}
            if options and checked != set(values) & options:
                faults.append(f"{tag}: ticked {checked}, not {values}")
    verdict("python-docx", file, faults, f"{len(seen)} tags")


def squeezed(text: str) -> str:
    return "".join(text.split())


def judge_libreoffice(files: list[tuple[Path, str, dict | None]]) -> None:
    """One process for all files: it must not run twice at a time in one profile."""
    with tempfile.TemporaryDirectory() as scratch:
        command = ["soffice", f"-env:UserInstallation=file://{scratch}/profile", "--headless", "--convert-to", "pdf",
                   "--outdir", scratch, *[str(file) for file, _, _ in files]]
        try:
            subprocess.run(command, capture_output=True, check=True, timeout=1200)
        except (FileNotFoundError, subprocess.SubprocessError) as error:
            print(f"{'FAIL' if not isinstance(error, FileNotFoundError) else 'skip'} libreoffice *: {error}")
            return
        for file, form, data in files:
            pdf = Path(scratch) / f"{file.stem}.pdf"
            if not pdf.exists():
                verdict("libreoffice", file, ["could not open it"])
                continue
            text = subprocess.run(["pdftotext", "-raw", pdf, "-"], capture_output=True, check=True).stdout.decode()
            pages, text = text.count("\f"), squeezed(text)
            tags = controls(docx.Document(str(file)))
            values = [v for tag, vs in expected(form, data or {}).items() if tag in tags for v in vs]
            # A line break inside a cell may fall anywhere, so a long value is looked for by its characters.
            faults = [f"not found: {v}" for v in values if squeezed(v) not in text and set(squeezed(v)) - set(text)]
            verdict("libreoffice", file, faults, f"{pages} pages")


def judge_xlsx(file: Path, rows: list[dict]) -> None:
    sheet = openpyxl.load_workbook(file).active
    known = definition("exam-results")["fields"]
    head = [cell.value for cell in sheet[1]]
    faults = [] if head == list(known) else [f"header {head}"]
    for number, row in enumerate(rows, 2):
        for name, cell in zip(head, sheet[number], strict=True):
            want = written(known[name], row[name]) if name in row else ""
            got = cell.value or ""
            if not (got == want or (name == "考试结果" and got.startswith(want) and "（" in got)):
                faults.append(f"{cell.coordinate}: {got!r} is not {want!r}")
            if cell.data_type not in ("s", "n") or isinstance(cell.value, (int, float)):
                faults.append(f"{cell.coordinate} is not text")
    verdict("openpyxl", file, faults, f"{sheet.max_row} rows")


def main() -> None:
    folder, samples = ROOT / "target" / "tmp" / "forms", ROOT / "samples" / "forms"
    files = []
    for file in sorted(folder.glob("*.docx")):
        form, kind = file.stem.rsplit(".", 1)
        name = {"blank": None, "ordinary": form, "full": f"{form}-full"}[kind]
        files.append((file, form, json.loads((samples / f"{name}.json").read_text("utf-8")) if name else None))
    for file, form, data in files:
        judge_docx(file, form, data)
    sheet = folder / "exam-results.xlsx"
    if sheet.exists():
        judge_xlsx(sheet, json.loads((samples / "exam-results.json").read_text("utf-8")))
    judge_libreoffice(files)
    sys.exit(failed or not files)


if __name__ == "__main__":
    main()
