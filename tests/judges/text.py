"""The words that other programs read out of the PDF and the OFD are the words of the page.

Whitespace does not count and neither does the order of the lines: every expected line must be
there unbroken, and all in all there are the same characters the same number of times.
"""

import subprocess
from collections import Counter
from pathlib import Path

from report import RASTER, folder, licences, verdict


def squeezed(text: str) -> str:
    return "".join(text.split())


def differences(expected: list[str], found: str) -> list[str]:
    found = squeezed(found)
    lines = [squeezed(line) for line in expected]
    faults = [f"not found: {line}" for line in lines if line not in found]
    wanted, seen = Counter("".join(lines)), Counter(found)
    for word, rest in (("lacks", wanted - seen), ("has beyond the page", seen - wanted)):
        if rest:
            faults.append(word + " " + " ".join(f"{char} U+{ord(char):04X} ×{count}"
                                                for char, count in sorted(rest.items())[:12]))
    if "\ufffd" in found:
        faults.append("U+FFFD in the text")
    return faults


def pdf_text(file: Path) -> str:
    command = ["pdftotext", "-raw", "-enc", "UTF-8", file, "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout.decode("utf-8")


def ofd_text(file: Path) -> str:
    return (RASTER / f"{file.stem}.ofd.txt").read_text("utf-8")  # left there by Ofdrw.java


for licence in licences(folder()):
    for kind, read in (("pdf", pdf_text), ("ofd", ofd_text)):
        if kind not in licence.files:
            continue
        try:
            expected = licence.text.read_text("utf-8").splitlines()
            faults = differences(expected, read(licence.files[kind]))
        except (OSError, subprocess.CalledProcessError) as error:
            faults = [str(error)]
        verdict("text", licence.files[kind], faults)
