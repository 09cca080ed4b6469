#!/usr/bin/env python3
"""Draws the sample portraits: twelve invented people, composed as SVG from
parameters and saved as small baseline JPEGs, plus awkward inputs for tests.

    pip install pillow resvg-py numpy
    python samples/draw/portraits.py [output folder]
"""
import io
import random
import struct
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

W, H = 465, 592                      # 38.8 : 49.4
BLUE, WHITE = ("#dcebf7", "#c3dcef"), ("#ffffff", "#eef2f5")


# ---- small drawing helpers (x runs from the middle of the picture) ----------

def spline(pts, closed=True):
    """A smooth path through pts; a point with a third element is a corner."""
    n = len(pts)

    def tangent(i):
        if len(pts[i]) > 2 or (not closed and i in (0, n - 1)):
            return 0, 0
        a, b = pts[(i - 1) % n], pts[(i + 1) % n]
        return (b[0] - a[0]) / 6, (b[1] - a[1]) / 6

    d = f"M{pts[0][0]:.1f},{pts[0][1]:.1f}"
    for i in range(n if closed else n - 1):
        j = (i + 1) % n
        (ax, ay), (bx, by) = tangent(i), tangent(j)
        p, q = pts[i], pts[j]
        d += f"C{p[0]+ax:.1f},{p[1]+ay:.1f} {q[0]-bx:.1f},{q[1]-by:.1f} {q[0]:.1f},{q[1]:.1f}"
    return d + ("Z" if closed else "")


def flip(pts):
    return [(-p[0], *p[1:]) for p in pts]


def both(right):
    """Right half from top to bottom -> whole closed outline."""
    return right + [p for p in reversed(flip(right)) if p[0] != 0]


def path(d, fill="none", stroke=None, w=1.0, o=1.0, blur=0, clip=None):
    if not isinstance(d, str):
        d = spline(d)
    s = f'<path d="{d}" fill="{fill}" opacity="{o:.3g}"'
    if stroke:
        s += f' stroke="{stroke}" stroke-width="{w}" stroke-linecap="round" stroke-linejoin="round"'
    if blur:
        s += f' filter="url(#{"l" if stroke else "b"}{blur})"'
    s += "/>"
    return clipped(s, clip)


def clipped(s, clip):
    return f'<g clip-path="url(#{clip})">{s}</g>' if clip else s


def line(pts, stroke, w=1.0, o=1.0, blur=0, clip=None):
    d = pts if isinstance(pts, str) else spline(pts, False)
    return path(d, "none", stroke, w, o, blur, clip)


def oval(x, y, rx, ry, fill, o=1.0, blur=0, clip=None):
    return path(f"M{x-rx},{y}a{rx},{ry} 0 1 0 {2*rx},0a{rx},{ry} 0 1 0 {-2*rx},0Z",
                fill, o=o, blur=blur, clip=clip)


def mirrored(s):
    return s + f'<g transform="scale(-1,1)">{s}</g>'


def mix(a, b, t):
    ca, cb = ([int(c[i:i + 2], 16) for i in (1, 3, 5)] for c in (a, b))
    return "#" + "".join(f"{round(x + (y - x) * t):02x}" for x, y in zip(ca, cb))


def dark(c, t=.3):
    return mix(c, "#14121c", t)


def light(c, t=.3):
    return mix(c, "#ffffff", t)


def strands(a, b, colour, n=9, w=1.3, o=.3, clip="hair", seed=1):
    """Hair strokes that flow from guide line a to guide line b."""
    r, out = random.Random(seed), ""
    for i in range(n):
        t = (i + .5 + r.uniform(-.3, .3)) / n
        pts = [((1 - t) * p[0] + t * q[0], (1 - t) * p[1] + t * q[1]) for p, q in zip(a, b)]
        out += line(pts, colour, w * r.uniform(.6, 1.5), o * r.uniform(.5, 1.2))
    return clipped(out, clip)


# ---- the head ----------------------------------------------------------------

SKIN = {  # base, shade, line, lip
    "fair": ("#f7dcc6", "#dfae92", "#84503c", "#cf7f76"),
    "light": ("#f2d2b4", "#d7a581", "#7d4b33", "#c4766a"),
    "tan": ("#e6bd97", "#c28f68", "#6b3f29", "#b06a59"),
    "rosy": ("#f8dccb", "#e0aa95", "#8c5344", "#c97c74"),
}


def face_outline(p):
    k, j, c = p.get("cheek", 98), p.get("jaw", 72), p.get("chin", 381)
    return both([(0, 106), (56, 116), (89, 158), (k - 1, 205), (k, 244), (k - 7, 292),
                 (j, c - 39), (j * .5, c - 7), (0, c)])


def ears(p, skin):
    base, shade, ln, _ = skin
    k = p.get("cheek", 98)
    e = path([(k - 8, 240), (k + 3, 233), (k + 12, 240), (k + 12, 262), (k + 6, 284),
              (k - 2, 294), (k - 10, 286)], mix(base, shade, .3), ln, .8)
    e += line([(k + 1, 243), (k + 8, 246), (k + 7, 264), (k + 2, 278)], ln, 1.4, .4)
    return mirrored(e)


def neck(p, skin):
    base, shade, ln, _ = skin
    n, c = p.get("neck", 52), p.get("chin", 381)
    d = f"M{-n},300L{-n},396C{-n},420 {-n-14},430 {-n-44},440L-90,592L90,592L{n+44},440C{n+14},430 {n},420 {n},396L{n},300Z"
    s = f'<clipPath id="neck"><path d="{d}"/></clipPath>' + path(d, mix(base, shade, .28))
    s += path([(-70, 330), (70, 330), (62, c + 14), (22, c + 38), (-24, c + 34), (-62, c + 6)],
              shade, o=.75, blur=6, clip="neck")
    s += line([(n, 360), (n - 2, 400), (n + 6, 425)], shade, 16, .6, 6, "neck")
    s += mirrored(line([(30, 436), (14, 452), (7, 470)], shade, 3, .5, 2, "neck"))
    return s


def eyes(p, skin):
    base, shade, ln, _ = skin
    w, hu, hl = p.get("eye", (20, 8.6, 6.0))
    tilt, crease, lash = p.get("tilt", 2), p.get("crease", 4), p.get("lash", 2.6)
    iris = p.get("iris", "#4a2d1e")
    x, y = p.get("eye_x", 45), 245
    ink = mix(p["hair_colour"], "#24150f", .75)
    sclera = f"M{-w},3C{-w*.62},{-hu} {w*.3},{-hu*1.42} {w},{-tilt}C{w*.62},{hl*1.15} {-w*.45},{hl*1.35} {-w},3Z"
    out = f'<clipPath id="eye"><path d="{sclera}"/></clipPath>'
    for side in (-1, 1):
        s = path(f"M{-w-2},0C-10,-22 14,-24 {w+6},-4C12,-8 -8,-8 {-w-2},0Z", shade, o=.55, blur=3)
        s += path(sclera, "#fbf7f2")
        s += oval(.5, -.8, 8.7, 8.7, dark(iris, .45), clip="eye")
        s += oval(.5, -.3, 7.4, 7.6, iris, clip="eye") + oval(.5, 2.4, 5, 4, light(iris, .35), .6, 1, "eye")
        s += oval(.5, -.8, 3.9, 3.9, "#120c0a", clip="eye")
        s += line(f"M{-w},1C{-w*.6},{-hu-.5} {w*.3},{-hu*1.42-.5} {w},{-tilt-1}", "#4b3530", 4, .35, 1, "eye")
        s += path(f"M{-w-1.5},4C{-w*.66},{-hu-1} {w*.25},{-hu*1.42-lash} {w+lash},{-tilt-lash*.45}"
                  f"C{w*.9},{-tilt+.3} {w*.3},{-hu*1.42+.9} {-w*.6},{-hu*.42}Z", ink)
        if crease:
            s += line(f"M{-w*.85},{-1-crease}C{-w*.5},{-hu-crease} {w*.3},{-hu*1.42-crease} {w+4},{-tilt-crease*.7}",
                      ln, 1.3, .6)
        s += line(f"M{-w*.7},{hl*.95}C{-w*.2},{hl*1.3} {w*.5},{hl*1.15} {w*.95},{-tilt+1.6}", ln, .9, .5)
        if p.get("age", 0) > .3:
            s += line(f"M{-w*.9},{hl+5}C{-w*.3},{hl+10} {w*.4},{hl+10} {w*.9},{hl+3}", ln, 1.2, .32 * p["age"])
            s += line(f"M{w+5},0L{w+13},-4M{w+5},4L{w+14},4M{w+4},7L{w+11},11", ln, 1, .38 * p["age"])
        # brow
        t, arch, drop = p.get("brow", (7.5, 5, 2))
        by = p.get("brow_y", -24)
        s += path(f"M-22,{by+5-drop}C-21,{by+1-drop} -18,{by-t*.3-drop} -14,{by-t*.45-drop}"
                  f"C0,{by-t*.75-arch} 12,{by-t*.6-arch} 27,{by+3+drop}"
                  f"C14,{by+t*.15-arch*.7} 0,{by+t*.35-arch*.5} -22,{by+5-drop}Z",
                  p.get("brow_colour", mix(p["hair_colour"], "#2a1c18", .3)), o=.86)
        out += f'<g transform="translate({side*x},{y}) scale({side},1)">{s}</g>'
        out += oval(side * x - 2.4, y - 3.6, 2, 2, "#ffffff", .95)
    return out


def nose(p, skin):
    base, shade, ln, _ = skin
    n, y, b = p.get("nose", 19), 300, p.get("bridge", .5)
    s = path([(16, 226), (8, 240), (9, 266), (15, 288), (n + 2, 298), (21, 280), (18, 252)],
             shade, o=b + .15, blur=4)
    s += path([(-18, 226), (-10, 240), (-12, 258), (-20, 246)], shade, o=b, blur=4)
    s += oval(0, y + 4, n - 1, 5, shade, .75, 3)
    s += line([(-3, 240), (-3, 262), (-3, 280)], "#ffffff", 7, .13 + b * .25, 3) + oval(-3, 288, 6, 5, "#ffffff", .35, 3)
    s += mirrored(line(f"M{n-3},{y-14}C{n+4},{y-9} {n+3},{y+3} {n-5},{y+2}", ln, 1.7, .55)
                  + path(f"M4.5,{y+2}C6,{y-2} 12,{y-2} 13.5,{y+2}C10,{y+.5} 7,{y+3} 4.5,{y+2}Z", ln, o=.72))
    return s + line([(-5, y + 3), (0, y + 6), (5, y + 3)], ln, 1.4, .5)


def mouth(p, skin):
    base, shade, ln, lip = skin
    lip = p.get("lip", lip)
    w, up, lo, smile = p.get("mouth", (27, 6.5, 8.5, 1.5))
    y = p.get("mouth_y", 332)
    mid = f"C{-w*.55},{y+1} -7,{y+2} 0,{y+1}C7,{y+2} {w*.55},{y+1} {w},{y-smile}"
    s = oval(0, y + lo + 8, w * .6, 4, shade, .75, 3)
    s += oval(0, y - 15, 4, 8, shade, .3, 2)
    s += path(f"M{-w},{y-smile}{mid}C{w*.5},{y-up*.6} 9,{y-up-1.5} 5,{y-up-.5}C2,{y-up+.8} -2,{y-up+.8} -5,{y-up-.5}"
              f"C-9,{y-up-1.5} {-w*.5},{y-up*.6} {-w},{y-smile}Z", dark(lip, .1))
    s += path(f"M{-w},{y-smile}{mid}C{w*.6},{y+lo*.8} 12,{y+lo+1.5} 0,{y+lo+1}"
              f"C-12,{y+lo+1.5} {-w*.6},{y+lo*.8} {-w},{y-smile}Z", light(lip, .14))
    s += oval(-3, y + lo * .6, 9, 2, "#ffffff", .3, 1)
    s += line(f"M{-w},{y-smile}{mid}", dark(ln, .25), 1.6, .85)
    return s + mirrored(oval(w + .5, y - smile - .3, 2.4, 1.8, ln, .45, 1))


def ageing(p, skin):
    a, ln = p.get("age", 0), skin[2]
    s = mirrored(line([(25, 301), (35, 314), (38, 330)], ln, 1.8, .05 + .38 * a, 1))
    if a > .4:
        s += line([(-44, 180), (-15, 176), (20, 177), (46, 181)], ln, 1.3, .3 * a)
        s += line([(-38, 194), (-10, 191), (18, 191), (38, 194)], ln, 1.2, .26 * a)
        s += mirrored(line([(5, 218), (6, 226)], ln, 1.2, .35 * a) + line([(33, 342), (36, 352)], ln, 1.3, .35 * a))
        s += mirrored(line([(62, 350), (52, 362), (38, 368)], ln, 2, .2 * a, 1))
    return s


def glasses(kind, colour):
    x, y = 45, 247
    if kind == "round":
        lens, w = f"M{x-29},{y}a29,27 0 1 0 58,0a29,27 0 1 0 -58,0Z", 2.6
    elif kind == "rect":
        lens, w = f"M{x-30},{y-15}Q{x},{y-20} {x+33},{y-16}Q{x+35},{y+12} {x+22},{y+18}Q{x-4},{y+21} {x-24},{y+17}Q{x-31},{y+8} {x-30},{y-15}Z", 4
    else:
        lens, w = f"M{x-30},{y-14}Q{x},{y-19} {x+32},{y-14}Q{x+36},{y+14} {x+18},{y+22}Q{x-4},{y+25} {x-22},{y+19}Q{x-31},{y+8} {x-30},{y-14}Z", 2.4
    s = mirrored(path(lens, "#eef6ff", o=.14) + path(lens, "none", "#7a4a38", w, .22, 2)
                 + path(lens, "none", colour, w) + line(f"M{x+33},{y-9}L98,{y-12}", colour, w))
    s += line(f"M-16,{y-5}Q0,{y-12} 16,{y-5}", colour, w)
    for lx in (-x, x):
        s += path(f"M{lx-16},{y+12}L{lx-2},{y-14}L{lx+6},{y-14}L{lx-9},{y+14}Z", "#ffffff", o=.16)
    return s


# ---- hair: each returns (behind the head, in front of the face) ---------------

def hair_front(outline, c, extra=""):
    d = spline(outline)
    return (f'<clipPath id="hair"><path d="{d}"/></clipPath>' + path(d, "#5b3525", o=.3, blur=3, clip="face")
            + path(d, "url(#hairfill)") + extra)


def sheen(c, pts, w=16, o=.3):
    return line(pts, light(c, .45), w, o, 6, "hair")


def short_part(c, grey=False):
    o = [(95, 262, 1), (105, 222), (111, 172), (101, 118), (60, 80), (0, 70), (-58, 78), (-100, 114), (-111, 172),
         (-105, 222), (-95, 262, 1), (-91, 238), (-89, 206), (-80, 180, 1), (-62, 150), (-54, 138, 1),
         (-20, 158), (25, 162), (60, 158), (78, 168), (84, 186, 1), (89, 206), (91, 238)]
    e = sheen(c, [(-40, 100), (10, 92), (60, 112)])
    e += strands([(-56, 138), (-40, 104), (0, 84), (60, 92), (100, 140)],
                 [(-54, 140), (-30, 134), (10, 140), (50, 142), (84, 178)], light(c, .3), 11)
    e += strands([(-60, 136), (-80, 120), (-104, 160), (-104, 230)], [(-60, 142), (-74, 150), (-90, 186), (-94, 240)], light(c, .3), 6)
    e += line([(-54, 138), (-52, 116), (-42, 98)], dark(c, .5), 2, .7, clip="hair")
    return "", hair_front(o, c, e)


def crew(c):
    o = [(94, 258, 1), (103, 222), (107, 172), (95, 118), (56, 86), (0, 78), (-56, 86), (-95, 118), (-107, 172),
         (-103, 222), (-94, 258, 1), (-91, 230), (-89, 200), (-84, 180, 1), (-76, 160), (-56, 152),
         (-20, 147), (20, 147), (56, 152), (76, 160), (84, 180, 1), (89, 200), (91, 230)]
    e, r = "", random.Random(3)
    for _ in range(110):
        x = r.uniform(-92, 92)
        y = r.uniform(82, 158) + abs(x) ** 2 / 240
        e += line([(x, y), (x * 1.04, y - 8)], light(c, .28), 1.2, .4)
    e = sheen(c, [(-50, 108), (0, 96), (50, 108)], 20, .25) + clipped(e, "hair")
    return "", hair_front(o, c, e)


def fringe_m(c):
    o = [(95, 256, 1), (106, 222), (114, 172), (106, 114), (66, 76), (10, 64), (-52, 72), (-102, 108), (-114, 168),
         (-106, 222), (-95, 256, 1), (-91, 232), (-90, 200), (-86, 186), (-74, 192, 1), (-66, 184), (-42, 194, 1),
         (-36, 185), (-6, 190, 1), (0, 180), (26, 178, 1), (32, 168), (58, 166, 1), (72, 168), (87, 194), (91, 232)]
    e = sheen(c, [(-60, 112), (-10, 98), (50, 106)], 18, .32)
    e += strands([(20, 76), (-40, 90), (-84, 130), (-72, 188)], [(24, 84), (10, 110), (0, 150), (-4, 192)], light(c, .3), 9)
    e += strands([(24, 80), (30, 110), (20, 150), (8, 176)], [(26, 74), (80, 100), (100, 150), (92, 210)], light(c, .3), 9)
    return "", hair_front(o, c, e)


def receding(c):
    o = [(95, 264, 1), (106, 226), (109, 180), (97, 128), (58, 92), (0, 84), (-58, 92), (-97, 128), (-109, 180),
         (-106, 226), (-95, 264, 1), (-92, 240), (-92, 204), (-86, 170, 1), (-74, 138), (-46, 122),
         (-20, 130), (0, 134), (20, 130), (46, 122), (74, 138), (86, 170, 1), (92, 204), (92, 240)]
    e = strands([(-40, 122), (-34, 104), (-20, 92), (-4, 86)], [(50, 122), (52, 110), (52, 100), (40, 92)], dark(c, .5), 12, o=.35)
    e += mirrored(strands([(84, 140), (96, 170), (100, 210), (96, 250)], [(96, 130), (106, 170), (106, 210), (98, 255)], dark(c, .5), 5, o=.35))
    return "", hair_front(o, c, e)


def wavy_m(c):
    o = [(96, 266, 1), (108, 226), (115, 180), (110, 126), (78, 82), (34, 66), (-14, 62), (-62, 76), (-104, 112), (-115, 176),
         (-108, 226), (-96, 266, 1), (-91, 238), (-88, 200), (-82, 172, 1), (-66, 146), (-36, 138), (-4, 142), (30, 136),
         (64, 146), (82, 172, 1), (88, 200), (91, 238)]
    e = sheen(c, [(-50, 100), (0, 86), (50, 98)], 18, .3)
    e += strands([(-80, 168), (-74, 130), (-50, 112), (-38, 84), (0, 70)], [(20, 138), (8, 122), (30, 106), (24, 86), (50, 74)], light(c, .3), 10)
    e += strands([(30, 136), (44, 116), (40, 100), (60, 84)], [(84, 178), (92, 150), (88, 124), (100, 116)], light(c, .3), 7)
    return "", hair_front(o, c, e)


def swept(c):
    o = [(95, 262, 1), (105, 226), (110, 176), (100, 120), (62, 84), (4, 72), (-56, 80), (-98, 116), (-110, 174),
         (-105, 226), (-95, 262, 1), (-92, 236), (-90, 202), (-84, 172, 1), (-70, 144), (-44, 134), (-8, 140),
         (30, 132), (66, 142), (84, 172, 1), (90, 202), (92, 236)]
    e = sheen(c, [(-50, 104), (0, 92), (54, 106)], 18, .35)
    e += strands([(-74, 150), (-72, 118), (-50, 94), (-10, 80)], [(74, 150), (80, 120), (66, 98), (40, 86)], dark(c, .4), 16, o=.4)
    e += mirrored(strands([(86, 190), (96, 160), (98, 140)], [(94, 250), (104, 200), (104, 160)], dark(c, .4), 5, o=.35))
    return "", hair_front(o, c, e)


def long_straight(c):
    back = path(both([(0, 76), (70, 86), (114, 160), (122, 260), (134, 400), (130, 500), (60, 520)]), dark(c, .3))
    right = [(-14, 74, 1), (40, 76), (92, 108), (116, 170), (122, 250), (130, 340), (144, 430), (140, 510), (120, 548, 1),
             (104, 520), (88, 460), (92, 390), (98, 320), (97, 250), (86, 200), (50, 150), (-14, 112, 1)]
    left = [(-12, 74, 1), (-56, 80), (-98, 112), (-117, 170), (-122, 250), (-130, 340), (-144, 430), (-138, 506), (-122, 540, 1),
            (-102, 512), (-88, 460), (-92, 390), (-98, 320), (-97, 250), (-90, 204), (-70, 164), (-40, 132), (-16, 112, 1)]
    d = spline(right) + spline(left)
    e = sheen(c, [(-110, 170), (-70, 128), (-20, 104)], 14, .3) + sheen(c, [(112, 178), (80, 132), (20, 104)], 14, .3)
    e += strands([(-14, 80), (70, 92), (112, 170), (122, 300), (136, 440), (126, 540)],
                 [(-14, 110), (50, 148), (92, 210), (98, 310), (92, 420), (108, 515)], light(c, .25), 10)
    e += strands([(-14, 80), (-70, 92), (-112, 170), (-122, 300), (-136, 440), (-124, 536)],
                 [(-16, 110), (-56, 146), (-92, 210), (-98, 310), (-92, 420), (-108, 510)], light(c, .25), 10)
    e += line([(-14, 76), (-15, 112)], dark(c, .6), 2, .8)
    return back, (f'<clipPath id="hair"><path d="{d}"/></clipPath>' + path(d, "#5b3525", o=.35, blur=3, clip="face")
                  + path(d, "url(#hairfill)") + e)


def ponytail(c):
    tail = [(60, 330), (96, 352), (116, 400), (122, 450), (114, 505), (92, 556, 1), (88, 500), (84, 450), (66, 400)]
    body = path(tail, dark(c, .1)) + strands([(70, 350), (80, 400), (92, 450), (92, 500), (93, 550)], [(96, 360), (116, 400), (122, 450), (112, 500), (95, 550)],
                                             light(c, .3), 8, clip="tail")
    back = body + path([(70, 352), (92, 342), (100, 352), (78, 366)], "#a65a52")
    over = f'<clipPath id="tail"><path d="{spline(tail)}"/></clipPath><clipPath id="low"><path d="M58,402L240,402V600H58Z"/></clipPath>'
    over += clipped(path(tail, "#1a2030", o=.3, blur=4) + body, "low")
    o = [(94, 250, 1), (105, 216), (110, 166), (98, 112), (58, 78), (0, 68), (-58, 78), (-98, 112), (-110, 166), (-105, 216),
         (-94, 250, 1), (-95, 290), (-90, 312, 1), (-86, 280), (-88, 236), (-80, 206), (-62, 212), (-34, 208), (0, 209), (34, 207), (60, 211),
         (80, 206), (88, 236), (86, 280), (90, 312, 1), (95, 290)]
    e = sheen(c, [(-76, 128), (0, 106), (76, 128)], 20, .32)
    for x in range(-64, 70, 16):
        e += line([(x * .25, 82), (x * .8, 130), (x, 175), (x * .98, 208)], light(c, .28), 1.5, .4, clip="hair")
    e += mirrored(strands([(30, 80), (80, 110), (100, 170), (98, 240)], [(20, 84), (60, 120), (86, 180), (88, 260)], light(c, .28), 5))
    return back, hair_front(o, c, e) + over


def bob(c, side=-28, fringe=False, tip=352):
    back = path(both([(0, 78), (72, 88), (116, 160), (124, 260), (122, tip - 6), (60, tip + 4)]), dark(c, .35))
    out_r = [(side, 72, 1), (side * .4 + 30, 74), (76, 90), (104, 124), (118, 166), (126, 250), (128, 312), (112, tip, 1)]
    in_r = [(84, tip - 8), (90, 300), (96, 250), (87, 206), (68, 162), (36 + side * .3, 133), (side, 114, 1)]
    out_l = [(side, 72, 1), (-66, 83), (-104, 118), (-119, 170), (-126, 250), (-128, 312), (-112, tip, 1)]
    in_l = [(-84, tip - 8), (-90, 300), (-96, 250), (-88, 206), (-74, 164), (-42 + side * .3, 133), (side, 114, 1)]
    d = spline(out_r + in_r) + spline(out_l + in_l)
    e = sheen(c, [(116, 190), (86, 128), (10, 100)], 15, .33) + sheen(c, [(-116, 190), (-90, 132), (-44, 104)], 13, .33)
    e += strands([(side, 78), (60, 84), (112, 160), (126, 260), (110, tip)], [(side, 112), (56, 148), (88, 208), (94, 280), (86, tip - 8)], light(c, .25), 10)
    e += strands([(side, 78), (-76, 92), (-113, 165), (-126, 260), (-110, tip)], [(side, 112), (-66, 150), (-90, 208), (-94, 280), (-86, tip - 8)], light(c, .25), 8)
    e += line([(side, 76), (side - 1, 112)], dark(c, .5), 2, .7)
    return back, (f'<clipPath id="hair"><path d="{d}"/></clipPath>' + path(d, "#5b3525", o=.35, blur=3, clip="face")
                  + path(d, "url(#hairfill)") + e)


def perm(c):
    r = random.Random(8)
    outer = [(0, 74), (50, 80), (92, 112), (116, 164), (123, 220), (118, 272), (104, 304)]
    inner = [(90, 296), (94, 250), (88, 206), (70, 170), (36, 152), (0, 150)]
    ring = spline(outer + inner + flip(inner[-2::-1]) + flip(outer[:0:-1]))
    f, e = ring, ""
    for pts, rad in ((outer, 12), (inner, 8)):
        dense = [((1 - t) * p[0] + t * q[0], (1 - t) * p[1] + t * q[1]) for p, q in zip(pts, pts[1:]) for t in (.05, .38, .72)]
        for x, y in dense + flip(dense):
            a = rad * r.uniform(.85, 1.3)
            f += f"M{x-a:.1f},{y:.1f}a{a:.1f},{a:.1f} 0 1 1 {2*a:.1f},0a{a:.1f},{a:.1f} 0 1 1 {-2*a:.1f},0Z"
    for _ in range(170):
        x, y, a = r.uniform(-124, 124), r.uniform(68, 310), r.uniform(8, 15)
        k = r.choice((-1, 1))
        e += line(f"M{x-a*k:.1f},{y+a*.5:.1f}C{x-a*k:.1f},{y-a:.1f} {x+a*k:.1f},{y-a:.1f} {x+a*k:.1f},{y:.1f}C{x+a*k:.1f},{y+a*.8:.1f} {x:.1f},{y+a*.8:.1f} {x:.1f},{y+a*.2:.1f}",
                  light(c, .34) if r.random() < .55 else dark(c, .5), 1.6, .42)
    back = path(both([(0, 80), (84, 110), (116, 200), (114, 290), (80, 316), (40, 330)]), dark(c, .4))
    return back, (f'<clipPath id="hair"><path d="{f}"/></clipPath>' + path(f, "#5b3525", o=.35, blur=3, clip="face")
                  + path(f, "url(#hairfill)") + clipped(e, "hair") + sheen(c, [(-84, 128), (-40, 104), (20, 98)], 18, .25))


def headscarf(c):
    outer = both([(0, 70), (56, 78), (100, 116), (118, 180), (118, 260), (112, 330), (122, 400), (164, 446), (196, 486),
                  (150, 540), (70, 560), (0, 566)])
    hole = both([(0, 146), (47, 152), (78, 184), (88, 236), (83, 296), (62, 341), (32, 370), (0, 379)])
    d = spline(outer) + spline(hole)
    s = f'<clipPath id="hair"><path d="{d}" clip-rule="evenodd"/></clipPath>'
    s += path(hole, "none", "#5b3525", 14, .35, 4, "face")
    cap = both([(0, 134), (52, 142), (88, 184), (99, 240), (90, 330), (40, 384), (0, 396)])
    s += f'<path d="{spline(cap)+spline(hole)}" fill="{dark(c,.45)}" fill-rule="evenodd"/>'
    hole2 = both([(0, 138), (52, 145), (84, 184), (95, 238), (90, 300), (68, 348), (36, 378), (0, 388)])
    s += f'<path d="{spline(outer)+spline(hole2)}" fill="url(#hairfill)" fill-rule="evenodd"/>'
    dk, lt = dark(c, .35), light(c, .4)
    for k, w in ((0, 5), (1, 4), (2, 3.5)):
        s += line([(-96 + k * 5, 330 + k * 6), (-74 + k * 4, 392 + k * 12), (-10, 424 + k * 26), (70 + k * 12, 418 + k * 26), (112 + k * 16, 380 + k * 26)], dk, w, .5, 2, "hair")
        s += line([(-92 + k * 5, 338 + k * 6), (-70 + k * 4, 400 + k * 12), (-8, 431 + k * 26), (66 + k * 12, 426 + k * 26)], lt, 2.5, .35, 1, "hair")
    s += mirrored(line([(104, 200), (106, 280), (96, 350)], dk, 5, .35, 3, "hair"))
    s += line([(-84, 130), (-40, 98), (10, 90), (50, 96)], lt, 12, .4, 6, "hair")
    s += line([(-97, 160), (-70, 118), (-20, 100)], dk, 2, .35, 1, "hair") + line([(60, 104), (90, 140), (104, 190)], dk, 2, .4, 1, "hair")
    return "", s


# ---- clothes -------------------------------------------------------------------

def garment(neckline, fill, wide=0, ident="body"):
    """A torso whose top edge between the shoulders follows `neckline` (x<0 to x>0)."""
    x0, y0 = neckline[0][:2]
    x1, y1 = neckline[-1][:2]
    top = spline(neckline, False)
    w = 196 + wide
    d = (f"{top}C{x1+30},{y1+14} 118,440 150,450C{w-10},464 {w+10},484 {w+20},530L{w+32},600L{-w-32},600"
         f"L{-w-20},530C{-w-10},484 {-w+10},464 -150,450C-118,440 {x0-30},{y0+14} {x0},{y0}Z")
    s = f'<clipPath id="{ident}"><path d="{d}"/></clipPath>' + path(d, fill)
    s += path([(150, 440), (250, 470), (260, 620), (120, 620)], dark(fill, .4), o=.25, blur=12, clip=ident)
    s += path([(-230, 480), (-150, 448), (-110, 450), (-170, 500)], light(fill, .4), o=.3, blur=8, clip=ident)
    s += mirrored(line([(158, 600), (154, 560), (144, 528)], dark(fill, .45), 3, .45, 2, ident))
    return s


def collar(c, h=462, spread=40, n=54):
    wing = f"M{n+2},404C{n+8},414 {n+14},424 {n+20},434C{n+8},462 {spread+8},484 {spread},{h+34}L0,{h}C20,446 44,424 {n+2},404Z"
    return mirrored(path(wing, "#1a2030", o=.25, blur=2) + path(wing, c, dark(c, .3), 1))


def behind_collar(c, n=54):
    return path(f"M{-n-16},432C{-n-8},402 -30,396 0,396C30,396 {n+8},402 {n+16},432L0,480Z", dark(c, .22))


def suit(c, shirt="#fbfcfe", tie=None):
    s = garment([(-64, 420), (-30, 444), (0, 464, 1), (30, 444), (64, 420)], shirt, ident="shirt")
    if tie:
        s += path("M-13,464L13,464L9,486L24,600L-24,600L-9,486Z", tie) + path("M-13,464L13,464L9,486L-9,486Z", dark(tie, .25))
        s += "".join(line(f"M-26,{y}L26,{y-26}", light(tie, .4), 2.5, .5, clip="tie") for y in range(510, 640, 22))
        s = '<clipPath id="tie"><path d="M-9,486L9,486L24,600L-24,600Z"/></clipPath>' + s
    else:
        s += line("M0,470L0,592", dark(shirt, .25), 1.2, .6) + oval(0, 530, 3, 3, dark(shirt, .25)) + oval(0, 575, 3, 3, dark(shirt, .25))
    s += collar(shirt)
    s += garment([(-70, 420), (-52, 480), (-4, 610), (4, 610), (52, 480), (70, 420)], c)
    lapel = f"M70,420C62,470 36,540 2,606L40,606C66,570 92,530 108,500L86,486L104,468C98,450 88,432 70,420Z"
    return s + mirrored(path(lapel, "#0a0a12", o=.35, blur=3, clip="body") + path(lapel, light(c, .06), dark(c, .5), 1.2, clip="body"))


def shirt(c, jacket=None):
    s = garment([(-64, 420), (-30, 444), (0, 464, 1), (30, 444), (64, 420)], c)
    s += line("M-9,476L-9,600M9,476L9,600", dark(c, .3), 1, .5)
    s += "".join(oval(0, y, 3.2, 3.2, dark(c, .3), .8) for y in (500, 542, 584)) + collar(c)
    s += line("M62,540L128,540L128,600M62,540L62,600M62,552L128,552", dark(c, .3), 1.2, .5)
    if jacket:
        s += garment([(-74, 420), (-62, 470), (-46, 610), (46, 610), (62, 470), (74, 420)], jacket, ident="jacket")
        s += mirrored(line("M74,422C66,470 54,540 47,606", dark(jacket, .5), 2.5, .8))
    return s


def workwear(c, band="#e9e6d8", trim="#e07b2f"):
    s = garment([(-64, 418), (-30, 444), (0, 458, 1), (30, 444), (64, 418)], c)
    s += path("M-240,500L-150,448L-112,440L-86,600L-240,600Z", trim, clip="body") + path("M240,500L150,448L112,440L86,600L240,600Z", dark(trim, .12), clip="body")
    s += path("M-240,548L240,548L240,572L-240,572Z", band, dark(band, .25), 1, clip="body")
    s += line("M0,466L0,600", light(c, .55), 3.5, .9) + line("M0,466L0,600", dark(c, .5), 1, .9)
    s += path("M36,508L84,508L84,532L36,532Z", light(c, .8), dark(c, .4), 1) + line("M42,516L78,516M42,524L66,524", dark(c, .2), 2, .6)
    return s + collar(c, 456, 44)


def blouse(c, cardigan=None, deep=474):
    s = garment([(-78, 432), (-52, 458), (-24, deep - 4), (0, deep), (24, deep - 4), (52, 458), (78, 432)], c)
    s += line([(-78, 434), (-52, 461), (-24, deep), (0, deep + 4), (24, deep), (52, 461), (78, 434)], dark(c, .35), 2, .5, clip="body")
    s += line([(-78, 440), (-52, 469), (-24, deep + 9), (0, deep + 13), (24, deep + 9), (52, 469), (78, 440)], dark(c, .35), 1.2, .4, clip="body")
    if cardigan:
        s += garment([(-90, 434), (-78, 480), (-40, 610), (40, 610), (78, 480), (90, 434)], cardigan, ident="jacket")
        s += mirrored(line("M92,434C82,480 60,550 44,606", dark(cardigan, .4), 9, .55, clip="jacket")
                      + line("M98,436C90,480 68,550 54,606", light(cardigan, .3), 1.2, .6, clip="jacket"))
    return s


def zip_jacket(c, inner):
    s = garment([(-62, 420), (-30, 440), (0, 448), (30, 440), (62, 420)], inner, ident="inner")
    s += line([(-60, 426), (-30, 447), (0, 455), (30, 447), (60, 426)], dark(inner, .3), 2, .6)
    s += garment([(-66, 416), (-44, 470), (-3, 560), (3, 560), (44, 470), (66, 416)], c)
    wing = "M60,405C70,418 80,430 92,440C95,464 92,488 84,508L34,494C46,470 57,440 60,405Z"
    s += mirrored(path(wing, "#101018", o=.3, blur=3) + path(wing, light(c, .08), dark(c, .45), 1.2))
    return s + line("M0,562L0,600", light(c, .5), 3)


# ---- people ----------------------------------------------------------------------

MAN = dict(lash=2.0, brow=(8.5, 3, 2), tilt=1, mouth=(28, 5, 7.5, 2), jaw=78, neck=58)
WOMAN = dict(lash=3.6, brow=(5.6, 4, 2.2), tilt=1.2, mouth=(25, 6, 8, 3.4), jaw=66, neck=46, cheek=95, chin=377, nose=17, eye=(20.5, 9.6, 6.6), lip="#c8646a")
INK, SOFT, BROWN = "#26211f", "#3a2c26", "#4a3023"

PEOPLE = [
    dict(MAN, skin="light", hair=short_part, hair_colour=INK, wear=suit("#2b3a56", tie="#8c2f3b"), bg=BLUE, back="#fbfcfe"),
    dict(MAN, skin="tan", hair=wavy_m, hair_colour="#2c211c", wear=suit("#5a4636", "#f3ead8"), bg=WHITE, back="#f3ead8", crease=5.5, eye=(21, 10, 6.5),
         iris="#5b3a20", bridge=.8, brow=(10, 4, 2), moustache=1, stubble=.3, age=.45, nose=20, tilt=.5, jaw=80),
    dict(WOMAN, skin="fair", hair=long_straight, hair_colour=INK, wear=suit("#31333c", "#ffffff"), bg=BLUE, back="#ffffff"),
    dict(MAN, skin="light", hair=crew, hair_colour=INK, wear=shirt("#a9c6e4"), bg=WHITE, back="#a9c6e4", glasses=("rect", "#26262b"),
         age=.45, crease=0, eye=(19.5, 7.6, 5.4), cheek=100, jaw=81, chin=382),
    dict(WOMAN, skin="light", hair=perm, hair_colour=BROWN, wear=blouse("#f0e5d4", "#8d3545"), bg=BLUE, age=.6, cheek=98, jaw=74, crease=3,
         eye=(19.5, 8, 5.6), lash=2.6, tilt=.5, lip="#bb5a5c", neck=50),
    dict(MAN, skin="tan", hair=receding, hair_colour="#a9a7a4", wear=zip_jacket("#4e5a5e", "#b9bfb6"), bg=WHITE, age=1, crease=3, eye=(19, 7.2, 5.2),
         brow=(8.5, 3, 2.5), brow_colour="#77726d", tilt=-1, jaw=80, mouth=(28, 4, 6, 2)),
    dict(WOMAN, skin="fair", hair=ponytail, hair_colour=SOFT, wear=shirt("#dfe3ea"), bg=BLUE, back="#dfe3ea", glasses=("round", "#6b4a3c"),
         eye=(21, 10.5, 7), chin=372, mouth=(24, 6, 8, 4), mouth_y=330),
    dict(MAN, skin="light", hair=fringe_m, hair_colour="#2a2422", wear=workwear("#2f4a6d"), bg=WHITE, back="#2f4a6d", jaw=72, chin=378, neck=54,
         cheek=95, crease=3, eye=(20.5, 9, 6)),
    dict(WOMAN, skin="light", hair=headscarf, hair_colour="#4f7f86", brow_colour="#3b2c26", wear=blouse("#3d4a58"), bg=WHITE, age=.35, crease=5),
    dict(MAN, skin="rosy", hair=swept, hair_colour="#8a6a48", wear=suit("#5d636c", "#eaf1f8", tie="#2f5170"), bg=BLUE, back="#eaf1f8", iris="#4f7f9f",
         crease=6, eye=(20.5, 9.6, 6.4), bridge=.95, nose=19, beard=1, age=.45, cheek=95, jaw=77, chin=386, brow=(8, 2, 1.5), brow_y=-22, tilt=-.5, brow_colour="#7a5c3e"),
    dict(WOMAN, skin="light", hair=lambda c: bob(c, 24, tip=322), hair_colour="#b4b1b0", wear=blouse("#ece7ef", "#6d5a86"), bg=WHITE, age=1, crease=2.5,
         eye=(19, 7.6, 5.4), lash=2.2, tilt=-1, glasses=("half", "#8c6a3f"), brow_colour="#7d7673", lip="#b8686a", jaw=70, mouth=(26, 4.5, 6.5, 3.4)),
    dict(WOMAN, skin="tan", hair=bob, hair_colour="#2b2422", wear=shirt("#c9cfc2", "#54614a"), bg=BLUE, back="#c9cfc2", age=.2, cheek=97, jaw=71,
         crease=3.5, eye=(20, 8.8, 6)),
]


def facial_hair(p, skin):
    c, s = p["hair_colour"], ""
    if p.get("stubble"):
        s += path([(-96, 290), (-60, 330), (-40, 318), (0, 312), (40, 318), (60, 330), (96, 290), (80, 390), (0, 400), (-80, 390)],
                  dark(c, .1), o=p["stubble"] * .55, blur=6, clip="face")
    if p.get("beard"):
        y, ch = 332, p["chin"]
        d = spline([(-86, 262, 1), (-86, 300), (-66, 326), (-44, 320, 1), (-20, 312), (0, 315), (20, 312), (44, 320, 1), (66, 326), (86, 300),
                    (86, 262, 1), (90, 312), (80, ch - 30), (44, ch + 2), (0, ch + 8), (-44, ch + 2), (-80, ch - 30), (-90, 312)])
        d += spline(both([(0, y - 7), (16, y - 6), (29, y - 1), (22, y + 8), (11, y + 11), (0, y + 12)]))
        s += f'<clipPath id="beard"><path d="{d}" clip-rule="evenodd"/></clipPath>'
        s += f'<path d="{d}" fill="{c}" fill-rule="evenodd" opacity=".45" filter="url(#b2)"/><path d="{d}" fill="{c}" fill-rule="evenodd" opacity=".72" filter="url(#b1)"/>'
        r, h = random.Random(5), ""
        for _ in range(170):
            x, yy = r.uniform(-92, 92), r.uniform(290, ch + 4)
            h += line([(x, yy), (x * .97, yy + 8)], dark(c, .35) if r.random() < .6 else light(c, .3), 1.1, .38)
        s += clipped(h, "beard")
    if p.get("moustache"):
        d = "M0,312C-12,308 -26,314 -36,327C-24,327 -12,324 0,323C12,324 24,327 36,327C26,314 12,308 0,312Z"
        s += f'<clipPath id="mo"><path d="{d}"/></clipPath>' + path(d, c, o=.5, blur=1) + path(d, c, o=.85)
        s += mirrored(strands([(2, 312), (14, 312), (34, 326)], [(2, 323), (12, 324), (26, 327)], light(c, .3), 6, 1, .5, "mo"))
    return s


def svg(p, background=True):
    skin = base, shade, ln, _ = SKIN[p["skin"]]
    behind, front = p["hair"](p["hair_colour"])
    c, fo = p["hair_colour"], spline(face_outline(p))
    defs = "".join(f'<filter id="{k}{n}" {where}><feGaussianBlur stdDeviation="{n}"/></filter>' for n in (1, 2, 3, 4, 6, 8, 12)
                   for k, where in (("b", 'x="-1" y="-1" width="3" height="3"'),
                                    ("l", 'filterUnits="userSpaceOnUse" x="-240" y="-10" width="480" height="620"')))
    defs += f'<clipPath id="face"><path d="{fo}"/></clipPath>'
    defs += (f'<radialGradient id="bg" gradientUnits="userSpaceOnUse" cx="-20" cy="230" r="430"><stop offset="0" stop-color="{p["bg"][0]}"/>'
             f'<stop offset="1" stop-color="{p["bg"][1]}"/></radialGradient>')
    defs += (f'<linearGradient id="hairfill" gradientUnits="userSpaceOnUse" x1="-90" y1="70" x2="90" y2="420"><stop offset="0" stop-color="{light(c,.13)}"/>'
             f'<stop offset=".4" stop-color="{c}"/><stop offset="1" stop-color="{dark(c,.3)}"/></linearGradient>')
    defs += (f'<radialGradient id="skin" gradientUnits="userSpaceOnUse" cx="-24" cy="220" r="190"><stop offset="0" stop-color="{light(base,.22)}"/>'
             f'<stop offset=".55" stop-color="{base}"/><stop offset="1" stop-color="{mix(base,shade,.55)}"/></radialGradient>')
    b = path("M-240,0H240V600H-240Z", "url(#bg)") if background else ""
    b += behind + (behind_collar(p["back"], p["neck"] + 2) if "back" in p else "")
    b += neck(p, skin) + ears(p, skin) + p["wear"] + path(fo, "url(#skin)", ln, .8)
    b += path([(106, 180), (84, 240), (82, 300), (50, 352), (10, 378), (60, 392), (110, 330)], shade, o=.5, blur=8, clip="face")
    b += mirrored(oval(58, 292, 20, 14, "#e58a78", .2 if p["lash"] < 2.5 else .32, 8))
    b += ageing(p, skin) + nose(p, skin) + mouth(p, skin) + facial_hair(p, skin) + eyes(p, skin)
    if "glasses" in p:
        b += glasses(*p["glasses"])
    b += front
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{W*3//2}" height="{H*3//2}" viewBox="{-W/2} 0 {W} {H}"><defs>{defs}</defs>{b}</svg>')


def render(p, background=True):
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg(p, background)))
    return Image.open(io.BytesIO(png)).convert("RGBA").resize((W, H), Image.LANCZOS)


def jpeg(im, target=14500):
    """The best quality that stays under `target` bytes."""
    for q in range(95, 40, -1):
        buf = io.BytesIO()
        im.save(buf, "JPEG", quality=q, optimize=True, subsampling="4:2:0")
        if buf.tell() <= target:
            break
    return buf.getvalue()


def hard_inputs(folder, pictures):
    folder.mkdir(exist_ok=True)
    rgb = np.asarray(pictures[0], dtype=float) / 255
    k = (1 - rgb.max(axis=2)) * .8
    cmy = 1 - rgb / (1 - k[..., None])
    cmyk = Image.fromarray(np.round(np.dstack([cmy, k]) * 255).astype("uint8"), "CMYK")
    cmyk.save(folder / "cmyk.jpg", quality=60, optimize=True)      # Adobe marker, inverted samples
    exif = Image.Exif()
    exif[0x0112] = 6
    pictures[1].transpose(Image.Transpose.ROTATE_90).save(folder / "exif6.jpg", quality=80, optimize=True, exif=exif)
    pictures[0].convert("L").save(folder / "gray.jpg", quality=85, optimize=True)
    render(PEOPLE[2], False).resize((310, 395), Image.LANCZOS).save(folder / "alpha.png", optimize=True)
    (folder / "text.jpg").write_text("This is a text file, not a picture.\n这是一个文本文件，不是图片。\n", "utf-8")
    whole = jpeg(pictures[3])
    (folder / "truncated.jpg").write_bytes(whole[:len(whole) // 2])
    pictures[4].quantize(64).save(folder / "palette.png", optimize=True)
    n, z = 30000, zlib.compressobj(9)                                # 1-bit: 112 MB that pack to 110 KB
    data = b"".join(z.compress(b"\0" * (1 + n // 8)) for _ in range(n)) + z.flush()
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", n, n, 1, 0, 0, 0, 0)), (b"IDAT", data), (b"IEND", b"")]
    (folder / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks))


def main():
    here = Path(__file__).resolve().parent
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else here.parent / "records" / "photos"
    out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        pictures = [im.convert("RGB") for im in pool.map(render, PEOPLE)]
    for i, im in enumerate(pictures, 1):
        (out / f"p{i:02}.jpg").write_bytes(jpeg(im))
    hard_inputs(out / "hard", pictures)


if __name__ == "__main__":
    main()
