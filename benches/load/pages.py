#!/usr/bin/env python3
"""What each page costs with many licences on file: starts `certpress serve --demo`, asks one page after the other.

    benches/load/pages.py [--binary target/release/certpress] [--licences 100000] [--times 200] [--folder DIR] [--check]

One client asks, so a time is that of the server with its way there and back. `--folder` keeps the register for the next
run. With --check it fails when a page takes more than 10 ms at the 99th percentile.
"""

import argparse
import http.client
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

from run import HERE, call, machine, start

MOST_MS = 10
SAMPLE = "r01"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", type=Path, default=Path("target/release/certpress"))
    options.add_argument("--licences", type=int, default=100_000)
    options.add_argument("--times", type=int, default=200, help="how often each page is asked for")
    options.add_argument("--folder", type=Path, help="where the register is, or is to be")
    options.add_argument("--check", action="store_true", help="fail when a page takes too long")
    options = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if not (folder / "data").is_dir():
            load(options.binary, folder, options.licences)
        service, address = start(options.binary, None, folder)
        try:
            figures = [(name, *asked(address, service.pid, options.times, *rest)) for name, *rest in pages(address, folder)]
        finally:
            service.terminate()
            service.wait(60)
    print(f"{machine()}; {options.licences} licences; each page {options.times} times; milliseconds")
    print(f"{'':<34}{'median':>8}{'p99':>8}{'processor':>11}{'KB':>7}")
    for name, median, p99, processor, size in figures:
        print(f"{name:<34}{median:>8.2f}{p99:>8.2f}{processor:>11.2f}{size / 1024:>7.1f}")
    missed = [name for name, _, p99, *_ in figures if p99 > MOST_MS]
    if missed and options.check:
        sys.exit(f"more than {MOST_MS} ms: {', '.join(missed)}")


def load(binary: Path, folder: Path, licences: int) -> None:
    people = folder / "people.jsonl"
    with people.open("w") as out:
        subprocess.run([sys.executable, HERE.parent / "records.py", str(licences)], stdout=out, check=True)
    records = [people, HERE.parents[1] / "samples" / "records"]
    command = [binary, "import", *records, "--create", "--keys", folder / "keys", "--data", folder / "data"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    people.unlink()


def pages(address: str, folder: Path):
    """Name, method, path, body and token of each page."""
    holder, staff = (call(address, "POST", "/demo/token", urlencode({"as": who}))["access_token"] for who in (SAMPLE, "staff"))
    own = call(address, "GET", "/api/v1/me/licences", token=holder)["licences"][0]
    call(address, "POST", f"/api/v1/licences/{own['id']}/annotations", "", holder, "application/json")
    register = sqlite3.connect(f"file:{folder}/data/register.db?mode=ro", uri=True)
    ((digits,),) = register.execute("SELECT digits FROM signature LIMIT 1")
    found = call(address, "GET", "/api/v1/records?limit=1&" + urlencode({"number": "京111200620210"}), token=staff)["licences"][0]
    yield "/my", "GET", "/my", "", holder
    yield "/my, a range", "GET", "/my?from=2026-01-01&to=2026-12-31", "", holder
    yield "/v/…, in force", "GET", f"/v/{digits}", "", ""
    yield "/v/…, never issued", "GET", "/v/" + "0" * 200, "", ""
    yield "/verify", "GET", "/verify", "", ""
    yield "/desk", "GET", "/desk", "", staff
    for name, asked in {
        "number": {"q": found["number"]},
        "name": {"q": found["holder_name"]},
        "one character": {"q": "王"},
        "company": {"q": "北京测试"},
        "nobody's name": {"q": "欧阳某某"},
        "identity number": {"q": "110000198506120010"},
        "status": {"status": "suspended"},
        "type": {"type": "constructor-1"},
        "expiring": {"expiring": "180"},
        "all of that": {"q": "王", "status": "valid", "type": "constructor-1", "expiring": "3660"},
    }.items():
        yield f"/desk, {name}", "POST", "/desk", urlencode(asked), staff
    yield "/desk/licences/…", "GET", f"/desk/licences/{found['id']}", "", staff
    for path in ("/desk/import", "/desk/reissue", "/desk/figures", "/desk/layouts"):
        yield path, "GET", path, "", staff


def asked(address: str, pid: int, times: int, method: str, path: str, body: str, token: str):
    """Median and 99th percentile of the time, processor time of the service, bytes; the first answers are not counted."""
    connection = http.client.HTTPConnection(address, timeout=60)
    headers = {"Accept": "text/html", "Accept-Encoding": "gzip", "Cookie": f"certpress_session={token}"}
    headers |= {"Content-Type": "application/x-www-form-urlencoded"} if body else {}

    def once() -> tuple[float, int]:
        began = time.perf_counter()
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        size = len(answer.read())
        if answer.status >= 400 and not path.endswith("0" * 200):
            sys.exit(f"{method} {path}: {answer.status}")
        return (time.perf_counter() - began) * 1000, size

    for _ in range(5):
        once()
    before = processor(pid)
    taken, sizes = zip(*(once() for _ in range(times)))
    used = (processor(pid) - before) * 1000 / times
    taken = sorted(taken)
    return taken[times // 2], taken[times * 99 // 100], used, max(sizes)


def processor(pid: int) -> float:
    """Seconds of processor time so far (proc(5): fields 14 and 15, twelve behind the name)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
