#!/usr/bin/env python3
"""How cost grows with the number of licences: imports, searches, reissues and issues 1,000 to a million of them.

    benches/growth/run.py [--binary target/release/certpress] [--sizes 1000,10000,100000,1000000] [--files 10000]
                          [--database postgres://…] [--out benches/growth]

Writes figures.csv and its charts. Records are those of benches/records.py --small: see benches/README.md on pictures. Up to
--files records are also issued as PDF and OFD into a folder. Nothing else should run on the machine.
"""

import argparse
import csv
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

import charts

HERE = Path(__file__).resolve().parent
REQUESTS = 200
SEARCHES = {
    "name 王": {"name": "王"},
    "name 王伟, valid": {"name": "王伟", "status": "valid"},
    "number 京1112006": {"number": "京1112006"},
    "company 北京测试第12": {"employer": "北京测试第12"},
    "expires in a month": {"expires_from": "{month}-01", "expires_before": "{month}-28"},
}
COLUMNS = ["records", "step", "seconds", "per_second", "peak_mb", "disk_mb", "median_ms", "p99_ms"]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", type=Path, default=Path("target/release/certpress"))
    options.add_argument("--sizes", default="1000,10000,100000,1000000")
    options.add_argument("--files", type=int, default=10000, help="up to so many records are also issued to files")
    options.add_argument("--database", help="PostgreSQL server, postgres://user@host:port; SQLite without it")
    options.add_argument("--out", type=Path, default=HERE)
    options = options.parse_args()
    rows = []
    for size in map(int, options.sizes.split(",")):
        with tempfile.TemporaryDirectory(prefix="growth-") as folder:
            for row in measure(options, Path(folder), size):
                rows.append({"records": size, **row})
                print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
        options.out.mkdir(parents=True, exist_ok=True)
        with (options.out / "figures.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        charts.draw(rows, options.out)


def measure(options: argparse.Namespace, folder: Path, size: int):
    records, data = folder / "records.jsonl", folder / "data"
    with records.open("wb") as file:
        subprocess.run([sys.executable, HERE.parent / "records.py", str(size), "--small"], stdout=file, check=True)
    database = ["--database", f"{options.database}/growth_{os.getpid()}_{size}?sslmode=disable"] if options.database else []
    certpress = [options.binary.resolve()]
    register = ["--data", data, *database]

    def step(name: str, *command) -> dict:
        """Runs it to its end: time, and the most memory it ever had."""
        began = time.monotonic()
        process = subprocess.Popen([*certpress, *command], cwd=folder, stdout=subprocess.PIPE)
        said = process.stdout.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        if status != 0:
            sys.exit(f"{name}: {said}")
        disk = sum(path.stat().st_size for path in (folder / ("out" if name == "issue" else "data")).rglob("*") if path.is_file())
        return {"step": name, "seconds": round(seconds, 2), "per_second": round(size / seconds),
                "peak_mb": round(usage.ru_maxrss / 1024), "disk_mb": round(disk / 1e6, 1)}

    yield step("import", "import", records, "--create", *register)
    yield from searches(certpress, register, folder)
    yield step("reissue", "reissue", "--all", "--reason", "growth", *register)
    yield step("reissue again", "reissue", "--all", "--reason", "growth", *register)
    shutil.rmtree(data)
    if size <= options.files:
        yield step("issue", "issue", records, "--out", folder / "out", "--formats", "pdf,ofd")


def searches(certpress: list, register: list, folder: Path):
    """The first pages of what staff look for, over HTTP."""
    settings = folder / "certpress.toml"
    settings.write_text("[service.limits]\nper_second = 1000000\nburst = 1000000\n")
    command = [*certpress, "serve", "--demo", "--config", settings, "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", *register]
    with (folder / "log").open("w") as log:
        service = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        connection = http.client.HTTPConnection(re.search(r"http://(\S+)", service.stdout.readline())[1], timeout=60)

        def ask(method: str, path: str, body=None, **headers) -> dict:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            said = json.loads(answer.read())
            if answer.status != 200:
                sys.exit(f"{path}: {said}")
            return said

        form = {"content-type": "application/x-www-form-urlencoded"}
        token = {"authorization": "Bearer " + ask("POST", "/demo/token", urlencode({"as": "staff"}), **form)["access_token"]}
        month = time.strftime("%Y-%m", time.localtime(time.time() + 180 * 86400))
        token["content-type"] = "application/json"
        for name, wanted in SEARCHES.items():
            body, times = json.dumps({field: value.format(month=month) for field, value in wanted.items()}), []
            for _ in range(REQUESTS):
                began = time.monotonic()
                ask("POST", "/api/v1/records/search", body, **token)
                times.append((time.monotonic() - began) * 1e3)
            times.sort()
            median, p99 = times[REQUESTS // 2], times[REQUESTS * 99 // 100]
            yield {"step": f"search {name}", "median_ms": round(median, 2), "p99_ms": round(p99, 2)}
    finally:
        service.terminate()
        service.wait(60)


if __name__ == "__main__":
    main()
