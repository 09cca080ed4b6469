#!/usr/bin/env python3
"""Writes the sample signatures: invented names in running-script fonts (OFL),
slanted, with an unsteady line and flourishes, saved as four levels of
transparency of one ink.

    pip install pillow numpy
    npm i @expo-google-fonts/liu-jian-mao-cao @expo-google-fonts/zhi-mang-xing
          @expo-google-fonts/ma-shan-zheng @expo-google-fonts/la-belle-aurore
    python samples/draw/signatures.py node_modules [output folder]
"""
import math
import random
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

W, H, Z = 700, 305, 2                # 34.9 : 15.2, drawn twice as large

# name, font, size, slant, step between characters, rise, flourish
SIGNS = [
    ("王䶮", "ZhiMangXing", 230, .16, .80, -.03, "tail"),
    ("阿卜杜热西提", "LiuJianMaoCao", 172, .10, .58, -.02, None),
    ("赵测试", "LiuJianMaoCao", 225, .14, .70, -.04, "under"),
    ("钱测试", "ZhiMangXing", 215, .10, .78, .02, None),
    ("周测试", "MaShanZheng", 190, .18, .84, -.03, "tail"),
    ("吴测试", "LiuJianMaoCao", 230, .22, .66, -.05, None),
    ("李样本", "ZhiMangXing", 225, .18, .74, -.04, "under"),
    ("孙示例", "LiuJianMaoCao", 225, .08, .72, 0, "tail"),
    ("陈样张", "ZhiMangXing", 215, .22, .80, -.06, None),
    ("Müller", "LaBelleAurore", 190, .12, 0, 0, "under"),
    ("林示范", "LiuJianMaoCao", 235, .16, .70, -.03, "loop"),
    ("郑样品", "MaShanZheng", 190, .14, .82, .02, "under"),
]
PARTS = {"䶮": ("龙", "天")}          # not in the fonts: one above the other


def glyph(ch, font, size):
    im = Image.new("L", (size * 2, size * 2))
    if ch in PARTS:
        for part, top, tall in zip(PARTS[ch], (.42, .98), (.62, .54)):
            g = glyph(part, font, size)
            g = g.crop(g.getbbox())
            g = g.resize((round(size * .8), round(size * tall)), Image.LANCZOS)
            im.paste(255, (round(size * .55), round(size * top)), g)
        return im
    ImageDraw.Draw(im).text((size, size), ch, 255, font, anchor="mm")
    return im


def stroke(draw, pts, wide):
    """A pen stroke along a cubic Bezier, thin at both ends."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = pts
    for i in range(601):
        t, u = i / 600, 1 - i / 600
        x = u**3 * ax + 3 * u * u * t * bx + 3 * u * t * t * cx + t**3 * dx
        y = u**3 * ay + 3 * u * u * t * by + 3 * u * t * t * cy + t**3 * dy
        r = wide * (.36 + .64 * math.sin(math.pi * min(1, t * 1.15 + .08)) ** .8 if t * 1.15 + .08 < 1 else .36)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=255)


def sign(name, font_file, size, slant, step, rise, flourish, seed):
    r = random.Random(seed)
    font = ImageFont.truetype(str(font_file), size * Z)
    page = Image.new("L", (W * Z * 2, H * Z * 2))
    if step:
        x, y = 300, 0
        for ch in name:
            k = r.uniform(.9, 1.1)
            g = glyph(ch, font, size * Z).rotate(r.uniform(-4, 4), Image.BICUBIC)
            g = g.resize((round(g.width * k), round(g.height * k)), Image.LANCZOS)
            box = (round(x), round(H * Z - g.height / 2 + y))
            page.paste(255, (*box, box[0] + g.width, box[1] + g.height), g)
            x, y = x + size * Z * step * k, y + size * Z * (rise + r.uniform(-.03, .03))
    else:
        ImageDraw.Draw(page).text((W * Z, H * Z), name, 255, font, anchor="mm")
    page = page.transform(page.size, Image.AFFINE, (1, slant, -slant * H * Z, 0, 1, 0), Image.BICUBIC)
    l, t, rt, b = page.getbbox()
    d, w, h = ImageDraw.Draw(page), rt - l, b - t
    if flourish == "under":
        stroke(d, [(l + w * .12, b - h * .02), (l + w * .5, b - h * .06), (rt, b - h * .16), (rt + w * .10, b - h * .10)], 5)
    elif flourish == "tail":
        stroke(d, [(rt - w * .16, b - h * .10), (rt - w * .02, b + h * .10), (rt + w * .08, b - h * .10), (rt + w * .20, b - h * .36)], 5)
    elif flourish == "loop":
        stroke(d, [(rt - w * .10, b - h * .12), (rt + w * .20, b + h * .10), (l + w * .40, b + h * .16), (l + w * .10, b - h * .02)], 4.5)
        stroke(d, [(l + w * .10, b - h * .02), (l - w * .02, b - h * .10), (l + w * .5, b - h * .02), (rt + w * .12, b - h * .02)], 4)
    # a hand that is not quite steady
    a, n = np.asarray(page), np.arange(page.height)[:, None]
    m = np.arange(page.width)[None, :]
    dx = 3.2 * np.sin(n / 61 + seed) + 1.6 * np.sin(n / 23 + m / 97)
    dy = 3.2 * np.sin(m / 71 + seed * 2) + 1.4 * np.sin(m / 29 + n / 83)
    a = a[np.clip((n + dy).astype(int), 0, page.height - 1), np.clip((m + dx).astype(int), 0, page.width - 1)]
    page = Image.fromarray(a).filter(ImageFilter.GaussianBlur(1.6)).point(lambda v: max(0, min(255, (v - 96) * 4)))
    page = page.crop(page.getbbox())
    k = min((W - 36) / page.width, (H - 24) / page.height)
    page = page.resize((round(page.width * k), round(page.height * k)), Image.LANCZOS)
    alpha = Image.new("L", (W, H))
    alpha.paste(page, ((W - page.width) // 2, (H - page.height) // 2))
    levels = 4
    out = alpha.point(lambda v: round(v / 255 * (levels - 1))).convert("P")
    out.putpalette([22, 22, 26] * levels)
    return out, bytes(round(i * 255 / (levels - 1)) for i in range(levels))


def main():
    fonts = Path(sys.argv[1])
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).resolve().parent.parent / "records" / "signatures"
    out.mkdir(parents=True, exist_ok=True)
    for i, (name, family, *rest) in enumerate(SIGNS, 1):
        file = next(fonts.rglob(f"{family}_400Regular.ttf"))
        im, alpha = sign(name, file, *rest, seed=i)
        im.save(out / f"s{i:02}.png", transparency=alpha, bits=2, optimize=True)


if __name__ == "__main__":
    main()
