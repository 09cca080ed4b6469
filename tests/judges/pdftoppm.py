"""poppler draws every PDF at the resolutions that the QR and raster judges look at."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

from picture import raster
from report import Licence, folder, licences, verdict


def judge(licence: Licence) -> None:
    file = licence.files["pdf"]
    faults = []
    for dpi in (150, 200, 300):
        target = raster(licence, "pdf", dpi).with_suffix("")
        done = subprocess.run(
            ["pdftoppm", "-png", "-gray", "-r", str(dpi), "-f", "1", "-singlefile", file, target],
            capture_output=True, text=True, errors="replace",
        )
        if done.returncode or done.stderr.strip():
            faults.append(f"{dpi} dpi: exit {done.returncode} {done.stderr.strip()[:200]}")
    verdict("pdftoppm", file, faults)


with ThreadPoolExecutor(2) as pool:
    list(pool.map(judge, [one for one in licences(folder()) if "pdf" in one.files]))
