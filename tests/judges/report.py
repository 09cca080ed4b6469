"""What `certpress issue` says it wrote, for the judges; as a judge: it is really there.

report.py DIR KIND prints the path of every file of that kind.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

RASTER = Path(os.environ.get("JUDGES_RASTER", "target/judges/raster"))


@dataclass
class Licence:
    number: str
    qr: str
    files: dict[str, Path]
    text: Path  # what the page says, a line per printed text
    claims: dict[str, dict]


def licences(folder: Path) -> list[Licence]:
    found = []
    for line in (folder / "report.jsonl").read_text("utf-8").splitlines():
        record = json.loads(line)
        if record["outcome"] != "issued":
            continue
        claims = record["files"]
        files = {kind: located(folder, claim["path"]) for kind, claim in claims.items()}
        text = folder / f"{record['number']}.txt"
        found.append(Licence(record["number"], record["qr"], files, text, claims))
    return found


def located(folder: Path, path: str) -> Path:
    """Paths in the report may be relative to the folder or to where `issue` was called."""
    inside = folder / path
    return inside if inside.exists() or not Path(path).exists() else Path(path)


def verdict(judge: str, file: Path, faults: list[str], note: str = "") -> None:
    word, rest = ("FAIL", "; ".join(faults)) if faults else ("ok  ", note)
    rest = " ".join(rest.split())
    # One write, so that lines of threads do not run into each other.
    sys.stdout.write(f"{word} {judge} {file.name}" + (f": {rest}" if rest else "") + "\n")
    sys.stdout.flush()


def not_applicable(judge: str, file: Path, reason: str) -> None:
    """The judge knows nothing of this kind of file: no verdict, and no fault of the file."""
    print(f"n/a  {judge} {file.name}: {reason}", flush=True)


def each(judge: str, kind: str, look: Callable[[Path], None]) -> None:
    """Has every file of a kind looked at. A judge that stops has not accepted."""
    for licence in licences(folder()):
        if file := licence.files.get(kind):
            try:
                look(file)
            except Exception as error:
                verdict(judge, file, [repr(error)])


def folder() -> Path:
    return Path(sys.argv[1])


def judge_report() -> None:
    issued = licences(folder())
    if not issued:
        verdict("report", folder() / "report.jsonl", ["no issued licence, nothing to judge"])
    for licence in issued:
        for kind, file in licence.files.items():
            claim = licence.claims[kind]
            faults = []
            if not file.exists():
                faults.append("is not there")
            else:
                data = file.read_bytes()
                if len(data) != claim["bytes"]:
                    faults.append(f"{len(data)} bytes, report says {claim['bytes']}")
                if hashlib.sha256(data).hexdigest() != claim["sha256"].lower():
                    faults.append("SHA-256 differs from the report")
            verdict("report", file, faults)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        for one in licences(folder()):
            if sys.argv[2] in one.files:
                print(one.files[sys.argv[2]])
    else:
        judge_report()
