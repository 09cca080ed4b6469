#!/usr/bin/env python3
"""Flame graphs of what takes the time, a stage each: import, reissue, issue, verify and 加注.

    benches/profiles/flames.py NAME [--binary target/release/certpress] [--stages import,reissue,…] [--out benches/profiles]

Writes STAGE-NAME.svg. The binary needs its debug information, as `cargo build --release` leaves it here. Needs perf (Debian:
linux-perf) and, for 加注, wrk.
"""

import argparse
import re
import signal
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "load"))
import run as load  # noqa: E402  (benches/load/run.py)

# Stacks are copied for unwinding, so few samples of many bytes.
RECORD = ["perf", "record", "--quiet", "-F", "499", "--call-graph", "dwarf,16384"]
# What only passes a call on.
PASSING = re.compile(r"^<?&?(mut )?(dyn )?(core|std|alloc|tokio|rayon|rayon_core|hyper|hyper_util|axum|tower|tower_http|futures_\w+|tracing|metrics)::"
                     r"|\{\{closure\}\}$|^(__libc_start|_start|main$|start_thread|clone3?$|__rust|_?rjem|\[unknown\])|^certpress::main|^__clone")
# Where the kernel begins: what it does inside is not told.
KERNEL = re.compile(r"^(entry_SYSCALL|asm_|syscall_|ret_from_fork)")
# A share of less is not drawn.
LEAST = 0.004


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("name", help="such as `before` or `after`")
    options.add_argument("--binary", type=Path, default=Path("target/release/certpress"))
    options.add_argument("--stages", default=",".join(STAGES))
    options.add_argument("--out", type=Path, default=HERE)
    options = options.parse_args()
    for stage in options.stages.split(","):
        with tempfile.TemporaryDirectory(prefix="flames-") as folder:
            title, work = STAGES[stage]
            data = work(options.binary.resolve(), Path(folder))
            samples, tree = folded(data)
        place = options.out / f"{stage}-{options.name}.svg"
        place.write_text(drawn(f"{title}: {options.name}, {samples} samples", tree))
        print(f"{place}: {samples} samples")


def records(folder: Path, count: int, *more: str) -> Path:
    place = folder / "records.jsonl"
    with place.open("wb") as file:
        subprocess.run([sys.executable, HERE.parent / "records.py", str(count), *more], stdout=file, check=True)
    return place


def quietly(folder: Path, *command) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    # By its status `verify` tells the grade of the files, which test keys have signed.
    if done.returncode != 0 and "verify" not in command:
        sys.exit(f"{' '.join(map(str, command[:8]))}: {done.stderr[-1000:]}")


def recorded(folder: Path, *command) -> Path:
    data = folder / "perf.data"
    quietly(folder, *RECORD, "-o", data, *command)
    return data


def importing(binary: Path, folder: Path) -> Path:
    return recorded(folder, binary, "import", records(folder, 40_000, "--small"), "--create", "--data", folder / "data")


def reissuing(binary: Path, folder: Path) -> Path:
    register = ["--data", folder / "data"]
    quietly(folder, binary, "import", records(folder, 40_000, "--small"), "--create", *register)
    return recorded(folder, binary, "reissue", "--all", "--reason", "profile", *register)


def issuing(binary: Path, folder: Path) -> Path:
    return recorded(folder, binary, "issue", records(folder, 4_000), "--out", folder / "out", "--formats", "pdf,ofd")


def verifying(binary: Path, folder: Path) -> Path:
    quietly(folder, binary, "issue", records(folder, 4_000), "--out", folder / "out", "--formats", "pdf,ofd")
    files = [file for file in sorted((folder / "out").rglob("*")) if file.suffix in (".pdf", ".ofd")]
    return recorded(folder, binary, "verify", *files)


def annotating(binary: Path, folder: Path) -> Path:
    data = folder / "perf.data"
    service, address = load.start(binary, None, folder)
    try:
        steps = load.measure(service, address, folder, SimpleNamespace(seconds=8, licences=2000, database=None))
        next(steps)
        perf = subprocess.Popen([*RECORD, "-o", data, "-p", str(service.pid)])
        next(steps)
        perf.send_signal(signal.SIGINT)
        perf.wait()
    finally:
        service.terminate()
        service.wait(60)
    return data


STAGES = {
    "import": ("Records into a register", importing),
    "reissue": ("Sign and record, all of a register", reissuing),
    "issue": ("Records to PDF and OFD files, signed", issuing),
    "verify": ("PDF and OFD files, judged", verifying),
    "annotate": ("加注 with its PDF over HTTP", annotating),
}


def folded(data: Path) -> tuple[int, dict]:
    """Number of samples, and a tree of calls: name to (samples, tree)."""
    command = ["perf", "script", "-i", data, "--no-inline", "-F", "ip,sym"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    tree, samples = {}, 0
    for stack in text.split("\n\n"):
        names = [named(line) for line in stack.splitlines()]
        if not names:
            continue
        samples += 1
        inside = next((at for at, name in reversed(list(enumerate(names))) if KERNEL.search(name)), None)
        names = names if inside is None else ["kernel", *names[inside + 1 :]]
        # From the outside in; the innermost is told whatever it is.
        path = [name for name in names[:0:-1] if not PASSING.search(name)] + names[:1]
        below = tree
        for name in path:
            node = below.setdefault(name, [0, {}])
            node[0] += 1
            below = node[1]
    return samples, tree


def named(line: str) -> str:
    name = line.strip().partition(" ")[2] or "[unknown]"
    name = re.sub(r"::h[0-9a-f]{16}(\.llvm\.\d+)?$", "", name)
    return re.sub(r"\+0x[0-9a-f]+$", "", name)


def drawn(title: str, tree: dict) -> str:
    total = sum(count for count, _ in tree.values())
    width, high = 1200, 16
    boxes, deepest = [], 0

    def draw(tree: dict, left: float, depth: int) -> None:
        nonlocal deepest
        for name, (count, below) in sorted(tree.items()):
            share = count / total
            if share >= LEAST:
                deepest = max(deepest, depth)
                boxes.append((name, share, left, depth))
                draw(below, left, depth + 1)
            left += share * (width - 20)

    draw(tree, 10.0, 0)
    height = (deepest + 1) * high + 30
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="10">'
           f'<rect width="100%" height="100%" fill="#fff"/><text x="10" y="12">{escape(title)}</text>']
    for name, share, left, depth in boxes:
        across, top = share * (width - 20), height - 10 - (depth + 1) * high
        colour = "#f4b66a" if "certpress::" in name else "#f0d9a8"
        letters = int(across / 5.6)
        label = f'<text x="{left + 2:.1f}" y="{top + 11}">{escape(name[:letters])}</text>' if letters >= 4 else ""
        out.append(f'<g><title>{escape(name)} {share:.1%}</title><rect x="{left:.1f}" y="{top}" width="{max(across - 0.3, 0.3):.1f}" '
                   f'height="{high - 1}" fill="{colour}"/>{label}</g>')
    return "\n".join([*out, "</svg>"]) + "\n"


if __name__ == "__main__":
    main()
