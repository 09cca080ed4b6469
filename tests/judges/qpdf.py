"""qpdf and MuPDF: the PDF's structure, without a warning or a repair."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from report import RASTER, folder, licences, verdict


def run(*command: str | Path) -> tuple[int, str]:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    return done.returncode, done.stdout + done.stderr


def judge(file: Path) -> None:
    code, said = run("qpdf", "--check", file)  # 3 means warnings
    verdict("qpdf", file, [] if code == 0 else [f"exit {code}: {said.splitlines()[-3:]}"])

    picture = RASTER / f"{file.stem}.mutool-%d.png"
    code, said = run("mutool", "draw", "-q", "-r", "100", "-o", picture, file)
    faults = [line for line in said.splitlines()
              if line.startswith(("error", "warning")) and "ICC support" not in line]  # Debian's build has none
    verdict("mutool", file, faults or ([f"exit {code}"] if code else []))


with ThreadPoolExecutor(2) as pool:
    list(pool.map(judge, [one.files["pdf"] for one in licences(folder()) if "pdf" in one.files]))
