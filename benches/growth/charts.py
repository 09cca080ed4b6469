"""The charts of figures.csv as SVG: both axes logarithmic, readable on light and on dark pages.

    benches/growth/charts.py: draws them again from the figures beside it.
"""

import csv
import math
from pathlib import Path

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 176, 36, 44
COLOURS = ["#2f81f7", "#d29922", "#3fb950", "#db61a2", "#8957e5"]
# A browser that draws dark pages draws the words light.
STYLE = """text{font:13px system-ui,sans-serif;fill:#1f2328}.soft{fill:#656d76}.grid{stroke:#8b949e;stroke-opacity:.35}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.soft{fill:#9198a1}}"""


def draw(rows: list[dict], folder: Path) -> None:
    steps = ["import", "reissue", "reissue again", "issue"]
    searches = sorted({row["step"] for row in rows if row["step"].startswith("search")})
    chart(folder / "time.svg", "Seconds", rows, steps, "seconds")
    chart(folder / "memory.svg", "Peak memory, MB", rows, steps, "peak_mb")
    chart(folder / "disk.svg", "On disk afterwards, MB", rows, steps, "disk_mb")
    chart(folder / "search.svg", "A search over HTTP at the 99th percentile, ms", rows, searches, "p99_ms")


def chart(path: Path, title: str, rows: list[dict], steps: list[str], column: str) -> None:
    lines = {step: [(float(row["records"]), float(row[column])) for row in rows if row["step"] == step] for step in steps}
    points = [point for line in lines.values() for point in line]
    lowest, highest = (round(f(math.log10(max(y, 1e-2)) for _, y in points), 9) for f in (min, max))
    lowest, highest = math.floor(lowest), max(math.ceil(highest), math.floor(lowest) + 1)
    first, last = (math.log10(f(x for x, _ in points)) for f in (min, max))

    def at(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - first) / max(last - first, 1)
        up = (math.log10(max(y, 1e-2)) - lowest) / (highest - lowest)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
             f"<title>{title}</title><style>{STYLE}</style>", f'<text x="{LEFT}" y="20" font-weight="600">{title}</text>']
    for power in range(lowest, highest + 1):
        _, y = at(10**first, 10**power)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                     f'<text class="soft" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10**power:,g}</text>')
    for x in sorted({x for x, _ in points}):
        across, bottom = at(x, 10**lowest)
        parts.append(f'<text class="soft" x="{across:.1f}" y="{bottom + 20:.1f}" text-anchor="middle">{x:,.0f}</text>')
    parts.append(f'<text class="soft" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">licences</text>')
    labels = sorted((at(*line[-1])[1], step, line[-1]) for step, line in lines.items() if line)
    place = 0.0
    for y, step, end in labels:
        colour = COLOURS[steps.index(step) % len(COLOURS)]
        places = [at(*point) for point in lines[step]]
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2.5" points="'
                     + " ".join(f"{x:.1f},{y:.1f}" for x, y in places) + '"/>')
        parts += [f'<circle fill="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in places]
        # Names beside the ends, a line apart.
        place = max(y + 4, place + 17)
        parts.append(f'<circle fill="{colour}" cx="{WIDTH - RIGHT + 16}" cy="{place - 4:.1f}" r="4"/>'
                     f'<text x="{WIDTH - RIGHT + 26}" y="{place:.1f}">{step.removeprefix("search ")}</text>')
    path.write_text("\n".join([*parts, "</svg>"]) + "\n", "utf-8")


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    with (here / "figures.csv").open() as file:
        draw(list(csv.DictReader(file)), here)
