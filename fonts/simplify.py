#!/usr/bin/env python3
"""Draw the glyphs of TrueType fonts with fewer points: what a licence embeds shrinks by two fifths.

usage: simplify.py TOLERANCE FONT OUT [FONT OUT]...

Neighbouring pieces of a smooth outline become one line or one quadratic curve where that stays within TOLERANCE units of
both, and points come to lie on a grid of GRID units. At 1000 units to the em and 16 pt, a unit is 5.6 micrometres: together
less than a dot at 600 dpi. What the grid measures then becomes the unit, of which an em has 250, so that hardly a step from
point to point takes more than a byte. The contours of a glyph follow one another where the step to the next is short to
write. The result depends on the font, the tolerance and this script only.
"""
import math
import sys
from array import array
from itertools import accumulate

from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from fontTools.ttLib.scaleUpem import scale_upem
from fontTools.ttLib.tables._g_l_y_f import GlyphCoordinates

GRID = 4
CORNER = 0.35  # radians; a sharper turn is meant


def pieces(glyph, glyf):
    """Each contour as its pieces: (start, control point or None, end)."""
    coordinates, ends, flags = glyph.getCoordinates(glyf)
    start = 0
    for end in ends:
        ring = [(coordinates[i], flags[i] & 1) for i in range(start, end + 1)]
        start = end + 1
        points = []
        for (p, on), (q, next_on) in zip(ring, ring[1:] + ring[:1]):
            points.append((p, on))
            if not on and not next_on:  # the point between two control points is implied
                points.append((((p[0] + q[0]) / 2, (p[1] + q[1]) / 2), 1))
        first = next(i for i, (_, on) in enumerate(points) if on)
        points = points[first:] + points[:first + 1]
        contour, i = [], 0
        while i + 1 < len(points):
            step = 1 if points[i + 1][1] else 2
            contour.append((points[i][0], points[i + 1][0] if step == 2 else None, points[i + step][0]))
            i += step
        yield contour


def place(piece, t):
    (x0, y0), control, (x1, y1) = piece
    if control is None:
        return x0 + (x1 - x0) * t, y0 + (y1 - y0) * t
    a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t * t
    return a * x0 + b * control[0] + c * x1, a * y0 + b * control[1] + c * y1


def leaving(piece):
    start, control, end = piece
    to = control or end
    return to[0] - start[0], to[1] - start[1]


def arriving(piece):
    start, control, end = piece
    by = control or start
    return end[0] - by[0], end[1] - by[1]


def turn(before, after):
    (ax, ay), (bx, by) = arriving(before), leaving(after)
    sizes = math.hypot(ax, ay) * math.hypot(bx, by)
    return math.acos(max(-1, min(1, (ax * bx + ay * by) / sizes))) if sizes else 0


def near(point, line, tolerance):
    def distance(a, b):
        dx, dy = b[0] - a[0], b[1] - a[1]
        size = dx * dx + dy * dy
        t = max(0, min(1, ((point[0] - a[0]) * dx + (point[1] - a[1]) * dy) / size)) if size else 0
        return math.hypot(point[0] - a[0] - t * dx, point[1] - a[1] - t * dy)
    return any(distance(a, b) <= tolerance for a, b in zip(line, line[1:]))


def merged(run, tolerance):
    """The one piece that draws a run of pieces as well, or None."""
    start, end = run[0][0], run[-1][2]
    drawn = [place(piece, t) for piece in run for t in (0, 0.25, 0.5, 0.75)] + [end]
    candidates = [(start, None, end)]
    (ax, ay), (bx, by) = leaving(run[0]), arriving(run[-1])
    cross = ax * by - ay * bx
    if abs(cross) > 1e-9:  # where the tangents of the two ends meet, beyond the start and before the end
        wx, wy = end[0] - start[0], end[1] - start[1]
        s, r = (wx * by - wy * bx) / cross, (ax * wy - ay * wx) / cross
        if s > 0 and r > 0:
            candidates.append((start, (start[0] + ax * s, start[1] + ay * s), end))
    for piece in candidates:
        line = [place(piece, i / 8) for i in range(9)] if piece[1] else [start, end]
        if all(near(p, line, tolerance) for p in drawn) and all(near(p, drawn, tolerance) for p in line):
            return piece
    return None


def simplified(contour, tolerance):
    count = len(contour)
    first = max(range(count), key=lambda i: turn(contour[i - 1], contour[i]))
    contour = contour[first:] + contour[:first]
    kept, i = [], 0
    while i < count:
        best, j = contour[i], i + 1
        while j < count and turn(contour[j - 1], contour[j]) < CORNER:
            piece = merged(contour[i:j + 1], tolerance)
            if piece is None:
                break
            best, j = piece, j + 1
        kept.append(best)
        i = j
    grid = [tuple(p and (round(p[0] / GRID) * GRID, round(p[1] / GRID) * GRID) for p in piece) for piece in kept]
    return [piece for piece in grid if piece[0] != piece[2]]


def redrawn(contours):
    pen = TTGlyphPen(None)
    for contour in contours:
        if len(contour) < 2:
            continue
        pen.moveTo(contour[0][0])
        for i, (_, control, end) in enumerate(contour):
            if control is not None:
                pen.qCurveTo(control, end)
            elif i + 1 < len(contour):  # closing draws the last line
                pen.lineTo(end)
        pen.closePath()
    return pen.glyph(dropImpliedOnCurves=True)


def step(x, y):
    """What a step costs: bytes (OpenType, glyf), then distance; in one number."""
    x, y = abs(x), abs(y)
    return ((x > 0) + (x > 255) + (y > 0) + (y > 255)) * 10_000 + x + y


def arranged(glyph):
    """The same contours, each begun and all ordered so that the steps between them are short."""
    if glyph.numberOfContours <= 0:
        return glyph
    points = [(x, y, flag & 1) for (x, y), flag in zip(glyph.coordinates, glyph.flags)]
    rest, start = [], 0
    for end in glyph.endPtsOfContours:
        contour = points[start:end + 1]
        start = end + 1
        on = [k for k, p in enumerate(contour) if p[2]] or range(len(contour))
        # Where it may begin, with the step that beginning there saves.
        begins = [(k, *p[:2], step(p[0] - contour[k - 1][0], p[1] - contour[k - 1][1])) for k in on for p in [contour[k]]]
        rest.append((contour, begins))
    kept, x, y = [], 0, 0
    while rest:
        _, i, k = min((step(bx - x, by - y) - saved, i, k) for i, (_, begins) in enumerate(rest) for k, bx, by, saved in begins)
        contour, _ = rest.pop(i)
        kept.append(contour[k:] + contour[:k])
        x, y, _ = kept[-1][-1]
    flat = [p for contour in kept for p in contour]
    glyph.coordinates = GlyphCoordinates([p[:2] for p in flat])
    glyph.flags = array('B', [p[2] for p in flat])
    glyph.endPtsOfContours = [end - 1 for end in accumulate(len(contour) for contour in kept)]
    return glyph


def main(tolerance, files):
    for source, target in zip(files[::2], files[1::2]):
        font = TTFont(source, recalcTimestamp=False)
        glyf = font['glyf']
        before = after = 0
        for name in font.getGlyphOrder():
            glyph = glyf[name]
            if glyph.numberOfContours <= 0:
                continue
            before += len(glyph.coordinates)
            glyf[name] = redrawn([simplified(contour, tolerance) for contour in pieces(glyph, glyf)])
            after += len(glyf[name].coordinates) if glyf[name].numberOfContours > 0 else 0
        scale_upem(font, font['head'].unitsPerEm // GRID)
        hmtx = font['hmtx']
        for name in font.getGlyphOrder():
            glyph = glyf[name] = arranged(glyf[name])
            glyph.recalcBounds(glyf)
            hmtx[name] = (hmtx[name][0], getattr(glyph, 'xMin', 0))
        font.save(target)
        print(f'{source}: {before} points, now {after}')


if __name__ == '__main__':
    main(float(sys.argv[1]), sys.argv[2:])
