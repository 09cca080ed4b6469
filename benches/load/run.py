#!/usr/bin/env python3
"""What the service bears: starts `certpress serve --demo` on free ports, loads it from the same machine, prints figures.

    benches/load/run.py [--binary target/release/certpress] [--seconds 10] [--check]

Needs wrk (Debian package `wrk`) and nothing else beside Python. With --check it fails when a wanted figure is missed.
Client and service share the cores.
"""

import argparse
import http.client
import itertools
import json
import os
import platform
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlencode, urlsplit

# Constructors whose 加注 is possible on any day: their dates count from the day of the start.
PEOPLE = ["r01", "r02", "r03", "r04", "r16", "r17", "r18"]
# 加注 and PDF, cached PDF, code: requests a second at least, milliseconds at the 99th percentile at most.
WANTED = {"加注 + PDF": (150, 100), "cached PDF": (3000, None), "/v/{digits}": (3000, 20)}
CONNECTIONS = 16

LUA = """
local paths, place = {}, 0
for line in io.lines(os.getenv("LOAD_PATHS")) do paths[#paths + 1] = line end
function request() place = place % #paths + 1; return wrk.format("GET", paths[place]) end
function done(summary, latency)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format("FIGURES %f %f %f %d\\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, bad))
end
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", type=Path, default=Path("target/release/certpress"))
    options.add_argument("--seconds", type=int, default=10)
    options.add_argument("--check", action="store_true", help="fail when a wanted figure is missed")
    options = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        service, address = start(options.binary, folder)
        try:
            figures = dict(measure(address, folder, options.seconds))
        finally:
            service.terminate()
            service.wait(60)
    print(f"{machine()}; {CONNECTIONS} connections, {options.seconds} s each, client on the same cores")
    missed = []
    for name, (rate, median, p99, bad) in figures.items():
        least, most = WANTED[name]
        good = bad == 0 and rate >= least and (most is None or p99 <= most)
        missed += [] if good else [name]
        wanted = f"≥ {least}/s" + (f", p99 ≤ {most} ms" if most else "")
        print(f"{name:<12}{rate:>9.0f}/s  median {median:>7.2f} ms  p99 {p99:>7.2f} ms  errors {bad}  (wanted {wanted})")
    if missed and options.check:
        sys.exit(f"missed: {', '.join(missed)}")


def start(binary: Path, folder: Path) -> tuple[subprocess.Popen, str]:
    """The service with everything in one folder, and nobody slowed down by the rate limit."""
    settings = folder / "certpress.toml"
    settings.write_text("[service.limits]\nper_second = 1000000\nburst = 1000000\n")
    command = [binary, "serve", "--demo", "--config", settings, "--keys", folder / "keys", "--data", folder / "data"]
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


def measure(address: str, folder: Path, seconds: int):
    tokens = {who: call(address, "POST", "/demo/token", urlencode({"as": who}))["access_token"] for who in PEOPLE}
    licences = {}
    for who, token in tokens.items():
        listed = call(address, "GET", "/api/v1/me/licences", token=token)["licences"]
        licences[who] = next(licence["id"] for licence in listed if licence["can_annotate"])
    yield "加注 + PDF", annotate(address, tokens, licences, seconds)

    register = sqlite3.connect(f"file:{folder}/data/register.db?mode=ro", uri=True)
    signed = register.execute("SELECT s.digits, a.id, a.licence FROM signature s JOIN annotation a ON a.id = s.annotation").fetchall()
    newest = signed[-1]
    owner = next(who for who, licence in licences.items() if licence == newest[2])
    token = call(address, "POST", "/demo/token", urlencode({"as": owner}))["access_token"]
    pdf = f"/api/v1/annotations/{newest[1]}/document.pdf"
    yield "cached PDF", load(address, folder, [pdf], seconds, {"Authorization": f"Bearer {token}"})
    yield "/v/{digits}", load(address, folder, [f"/v/{digits}" for digits, *_ in signed], seconds, {})


def annotate(address: str, tokens: dict, licences: dict, seconds: int):
    """Each of some clients makes a 加注 and fetches its PDF, again and again; the time is that of both together."""
    times, bad, until = [], [], time.monotonic() + seconds

    def client(people) -> None:
        connection = http.client.HTTPConnection(address, timeout=30)
        for who in people:
            if time.monotonic() >= until:
                return
            began = time.monotonic()
            headers = {"Authorization": f"Bearer {tokens[who]}"}
            connection.request("POST", f"/api/v1/licences/{licences[who]}/annotations", headers=headers)
            answer = connection.getresponse()
            made = json.loads(answer.read())
            if answer.status != 201:
                bad.append(made)
                continue
            connection.request("GET", made["files"]["pdf"], headers=headers)
            answer = connection.getresponse()
            if not answer.read().startswith(b"%PDF-"):
                bad.append(answer.status)
            times.append(time.monotonic() - began)

    people = sorted(tokens)
    clients = [threading.Thread(target=client, args=(itertools.cycle(people[i % len(people):] + people[: i % len(people)]),)) for i in range(8)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    times.sort()
    if not times:
        sys.exit(f"no 加注 was made: {bad[:1]}")
    at = lambda part: times[min(int(len(times) * part), len(times) - 1)] * 1e3
    return len(times) / seconds, at(0.5), at(0.99), len(bad)


def load(address: str, folder: Path, paths: list[str], seconds: int, headers: dict):
    (folder / "paths").write_text("\n".join(paths))
    (folder / "load.lua").write_text(LUA)
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", folder / "load.lua"]
    command += [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    environment = os.environ | {"LOAD_PATHS": str(folder / "paths")}
    out = subprocess.run([*command, f"http://{address}"], capture_output=True, text=True, env=environment, check=True).stdout
    rate, median, p99, bad = re.search(r"FIGURES (\S+) (\S+) (\S+) (\d+)", out).groups()
    return float(rate), float(median), float(p99), int(bad)


def call(address: str, method: str, path: str, body: str | None = None, token: str | None = None) -> dict:
    connection = http.client.HTTPConnection(urlsplit(f"http://{address}").netloc, timeout=30)
    headers = {"Authorization": f"Bearer {token}"} if token else {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status >= 300:
        sys.exit(f"{method} {path}: {answer.status} {content.decode()}")
    return json.loads(content)


def machine() -> str:
    try:
        model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())[1]
    except (OSError, TypeError):
        model = platform.machine()
    return f"{model}, {len(os.sched_getaffinity(0))} cores"


if __name__ == "__main__":
    main()
