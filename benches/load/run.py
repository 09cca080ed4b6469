#!/usr/bin/env python3
"""What the service bears: starts `certpress serve --demo` on free ports, loads it from the same machine, prints figures.

    benches/load/run.py [--binary target/release/certpress] [--seconds 10] [--licences 2000] [--database URL] [--check]

Needs wrk (Debian package `wrk`) and nothing else beside Python. With --check it fails when a wanted figure is missed.
Client and service share the cores; the service's own processor time for each answer is what other work disturbs least.
"""

import argparse
import http.client
import json
import os
import platform
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

HERE = Path(__file__).parent
# Requests a second at least, milliseconds at the 99th percentile at most; of the first also on PostgreSQL.
WANTED = {
    "NDJSON": (1667, None),
    "加注 + PDF": (400, 50),
    "on PostgreSQL": (250, 100),
    "cached PDF": (5000, None),
    "/v/{digits}": (5000, 20),
}
CONNECTIONS = 16


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", type=Path, default=Path("target/release/certpress"))
    options.add_argument("--seconds", type=int, default=10)
    options.add_argument("--licences", type=int, default=2000, help="how many are on file")
    options.add_argument("--database", help="a register of its own, empty, in place of SQLite; only 加注 and files are measured")
    options.add_argument("--check", action="store_true", help="fail when a wanted figure is missed")
    options = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        service, address = start(options.binary, options.database, folder)
        try:
            figures = dict(measure(service, address, folder, options))
        finally:
            service.terminate()
            service.wait(60)
    print(f"{machine()}; {options.licences} licences, {options.seconds} s each, client on the same cores")
    missed = []
    for name, (rate, median, p99, bad, cpu) in figures.items():
        least, most = WANTED["on PostgreSQL" if options.database and name == "加注 + PDF" else name]
        good = bad == 0 and rate >= least and (most is None or p99 <= most)
        missed += [] if good else [name]
        wanted = f"≥ {least}/s" + (f", p99 ≤ {most} ms" if most else "")
        times = "" if median is None else f"median {median:>6.2f} ms  p99 {p99:>6.2f} ms"
        print(f"{name:<12}{rate:>7.0f}/s  {times:<33}{cpu:>6.2f} ms of processor time each  errors {bad}  (wanted {wanted})")
    if missed and options.check:
        sys.exit(f"missed: {', '.join(missed)}")


def start(binary: Path, database: str | None, folder: Path) -> tuple[subprocess.Popen, str]:
    """The service with everything in one folder, and nobody slowed down by the rate limit."""
    settings = folder / "certpress.toml"
    settings.write_text("[service.limits]\nper_second = 1000000\nburst = 1000000\n")
    command = [binary, "serve", "--demo", "--config", settings, "--keys", folder / "keys", "--data", folder / "data"]
    command += ["--database", database, "--create"] if database else []
    log = (folder / "log").open("w")
    began = time.monotonic()
    service = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=log, text=True
    )
    first = service.stdout.readline()
    if not (found := re.search(r"http://(\S+)", first)):
        sys.exit(f"the service did not start: {first}{(folder / 'log').read_text()}")
    print(f"ready after {time.monotonic() - began:.2f} s")
    return service, found[1]


def measure(service: subprocess.Popen, address: str, folder: Path, options: argparse.Namespace):
    """Name; rate, median, 99th percentile, errors, and the service's processor time for each, in milliseconds."""
    def timed(work):
        before = processor(service.pid)
        count, figures = work()
        return *figures, (processor(service.pid) - before) / max(count, 1) * 1e3

    def load(script: str, *more, **how):
        return timed(lambda: ((found := wrk(address, folder, script, options.seconds, portal, *more, **how))[0] * options.seconds, found))

    staff, portal = (call(address, "POST", "/demo/token", urlencode({"as": who}))["access_token"] for who in ("staff", "service"))
    people = folder / "people.jsonl"
    with people.open("w") as file:
        subprocess.run([sys.executable, HERE.parent / "records.py", str(options.licences)], stdout=file, check=True)

    def send():
        began = time.monotonic()
        with people.open("rb") as body:
            rows = call(address, "PUT", "/api/v1/records", body, staff, "application/x-ndjson")
        on_file.update({row["number"]: row["licence"] for row in rows})
        return len(on_file), (len(on_file) / (time.monotonic() - began), None, None, len(rows) - len(on_file))

    on_file = {}
    yield "NDJSON", timed(send)
    with people.open() as lines:
        records = map(json.loads, lines)
        holders = {on_file[record["number"]]: record["holder"]["id_number"] for record in records}
    (folder / "holders").write_text("".join(f"{licence} {number}\n" for licence, number in holders.items()))
    yield "加注 + PDF", load("annotate.lua", threads=8, connections=8)

    licence, number = next(iter(holders.items()))
    face = {"Holder-Id-Type": "111", "Holder-Id-Number": number, "Holder-Face-Verified-At": time.strftime("%FT%TZ", time.gmtime())}
    made = call(address, "POST", f"/api/v1/licences/{licence}/annotations", "", portal, "application/json", face)
    (folder / "paths").write_text(made["files"]["pdf"])
    call(address, "GET", made["files"]["pdf"], token=portal, headers=face)
    yield "cached PDF", load("get.lua", face)
    if not options.database:
        register = sqlite3.connect(f"file:{folder}/data/register.db?mode=ro", uri=True)
        signed = register.execute("SELECT digits FROM signature").fetchall()
        (folder / "paths").write_text("\n".join(f"/v/{digits}" for digits, in signed))
        yield "/v/{digits}", load("get.lua")


def processor(pid: int) -> float:
    """Seconds of processor time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wrk(address: str, folder: Path, script: str, seconds: int, token: str, headers: dict = {}, threads=1, connections=CONNECTIONS):
    """Rate, median, 99th percentile, errors."""
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "-s", HERE / script]
    headers = {"Authorization": f"Bearer {token}"} | headers
    command += [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    out = subprocess.run([*command, f"http://{address}"], capture_output=True, text=True, cwd=folder, check=True).stdout
    rate, median, p99, bad = re.search(r"FIGURES (\S+) (\S+) (\S+) (\d+)", out).groups()
    return float(rate), float(median), float(p99), int(bad)


def call(address: str, method: str, path: str, body="", token="", content_type="application/x-www-form-urlencoded", headers: dict = {}):
    connection = http.client.HTTPConnection(address, timeout=600)
    headers = {"Content-Type": content_type} | ({"Authorization": f"Bearer {token}"} if token else {}) | headers
    if isinstance(body, str):
        body = body.encode()
    else:
        headers["Content-Length"] = str(os.fstat(body.fileno()).st_size)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status >= 300:
        sys.exit(f"{method} {path}: {answer.status} {content.decode()}")
    match answer.headers.get_content_type():
        case "application/x-ndjson":
            return [json.loads(line) for line in content.splitlines()]
        case "application/json":
            return json.loads(content)


def machine() -> str:
    try:
        model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())[1]
    except (OSError, TypeError):
        model = platform.machine()
    return f"{model}, {len(os.sched_getaffinity(0))} cores"


if __name__ == "__main__":
    main()
