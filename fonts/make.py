#!/usr/bin/env python3
"""Remake the font files of this folder from the packages named in README.md.

usage: make.py SOURCES TGH8105 [OUT]

SOURCES  a folder with the packages in it: node_modules/ and the unpacked Debian packages (see README.md)
TGH8105  the text file with the 8,105 characters of the national table
OUT      where to write; default: the folder of this script

The result depends on the packages and on this script only: the same versions give the same bytes.
Every file is built anew from outlines: simple glyphs (no composites), no hinting, no layout tables.
"""
import bz2
import os
import sys

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.pens.transformPen import TransformPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables._g_l_y_f import dropImpliedOnCurvePoints

BUDGET = 38_000_000  # bytes, all files together
STAMP = 3786912000   # 2024-01-01, in seconds since 1904: a fixed date keeps the files reproducible
NPM = 'node_modules/@expo-google-fonts/'
DEB = 'usr/share/fonts/truetype/'
UNIHAN = 'usr/share/unicode/Unihan_IRGSources.txt.bz2'
SOURCE = {
    'serif-sc': NPM + 'noto-serif-sc/400Regular/NotoSerifSC_400Regular.ttf',
    'sans-sc': NPM + 'noto-sans-sc/400Regular/NotoSansSC_400Regular.ttf',
    'sans-sc-bold': NPM + 'noto-sans-sc/700Bold/NotoSansSC_700Bold.ttf',
    'serif': NPM + 'noto-serif/400Regular/NotoSerif_400Regular.ttf',
    'sans': NPM + 'noto-sans/400Regular/NotoSans_400Regular.ttf',
    'sans-bold': NPM + 'noto-sans/700Bold/NotoSans_700Bold.ttf',
    'wenkai': DEB + 'lxgw-wenkai/LXGWWenKai-Regular.ttf',
    'hana-a': DEB + 'hanazono/HanaMinA.ttf',
    'hana-b': DEB + 'hanazono/HanaMinB.ttf',
}
NAME_CHARS = set(map(ord, '䶮㛃𬎆𫖯𬭎𠅤'))  # must be in every chain, so in Rare too
EXT_A = set(range(0x3400, 0x4DC0))
PLANE_2 = set(range(0x20000, 0x2FFFE))
URO = set(range(0x4E00, 0xA000))
DICTIONARIES = ('GKX', 'GHZ', 'GZ', 'GHZR')  # kIRG_GSource prefixes that stand for a dictionary only


def span(text):
    out = set()
    for part in text.split():
        lo, _, hi = part.partition('-')
        out.update(range(int(lo, 16), int(hi or lo, 16) + 1))
    return out


# Everything that is not a Han character; each face takes what its source has.
SIGNS = span('20-7E A0-24F 2B0-36F 370-3FF 400-45F 1E00-1EFF 2000-206F 2070-209F 20A0-20CF 2100-218F 2190-23FF 2460-27BF '
             '2E80-2FDF 2E3A-2E3B 3000-303F 3040-30FF 3100-312F 31A0-31EF 3200-33FF FE10-FE1F FE30-FE6F FF01-FF9F FFE0-FFEE')
LATIN = span('A0-24F 1E00-1EFF')


def double_byte(codec, first, last, low):
    out = set()
    for a in range(first, last + 1):
        for b in range(low, 0xFF):
            try:
                c = bytes([a, b]).decode(codec)
            except UnicodeDecodeError:
                continue
            if len(c) == 1:
                out.add(ord(c))
    return out


GB2312 = double_byte('gb2312', 0xA1, 0xF7, 0xA1)
GBK = double_byte('gbk', 0x81, 0xFE, 0x40)
BIG5_1 = double_byte('big5', 0xA4, 0xC6, 0x40)  # the 5,401 usual traditional characters


def thin(points, eps=1.5):
    """Drop points of a closed polygon that lie within eps of the line kept (Douglas-Peucker)."""
    n = len(points)
    if n < 5:
        return points
    # start at a point that surely stays: the one farthest left, then down
    k = min(range(n), key=lambda i: points[i])
    ring = points[k:] + points[:k]
    far = max(range(n), key=lambda i: (ring[i][0] - ring[0][0]) ** 2 + (ring[i][1] - ring[0][1]) ** 2)
    ring.append(ring[0])
    keep, stack = {0, far}, [(0, far), (far, n)]
    while stack:
        i, j = stack.pop()
        (ax, ay), (bx, by) = ring[i], ring[j]
        dx, dy = bx - ax, by - ay
        size = (dx * dx + dy * dy) ** 0.5
        worst, at = eps, None
        for m in range(i + 1, j):
            px, py = ring[m][0] - ax, ring[m][1] - ay
            along = (px * dx + py * dy) / (size * size) if size else 0
            along = min(1, max(0, along))
            d = ((px - along * dx) ** 2 + (py - along * dy) ** 2) ** 0.5
            if d > worst:
                worst, at = d, m
        if at is not None:
            keep.add(at)
            stack += [(i, at), (at, j)]
    return [ring[i] for i in sorted(keep)] if len(keep) > 2 else points


class Source:
    def __init__(self, root, key):
        self.font = TTFont(os.path.join(root, SOURCE[key]), lazy=True)
        assert 'glyf' in self.font and 'fvar' not in self.font, key
        self.key, self.cmap = key, self.font.getBestCmap()
        self.glyphs, self.hmtx = self.font.getGlyphSet(), self.font['hmtx']
        self.scale = 1000 / self.font['head'].unitsPerEm
        # the em box of Hanazono hangs 20 units lower than that of the others
        self.shift = 20 if key.startswith('hana') else 0

    def notice(self):
        return ' '.join(self.font['name'].getDebugName(0).split())

    def draw(self, name, pen):
        """The glyph with components resolved, at 1000 units per em."""
        self.glyphs[name].draw(TransformPen(pen, (self.scale, 0, 0, self.scale, 0, self.shift)))

    def flat(self, name):
        rec = DecomposingRecordingPen(self.glyphs)
        self.draw(name, rec)
        return rec

    def glyph(self, name):
        pen = TTGlyphPen(None)
        if self.key.startswith('hana'):  # polygons, very finely cut
            points = []
            for op, args in self.flat(name).value:
                if op in ('moveTo', 'lineTo'):
                    points.append((round(args[0][0]), round(args[0][1])))
                elif op == 'qCurveTo':
                    return self.plain(name)
                elif op == 'closePath':
                    points = thin(points)
                    pen.moveTo(points[0])
                    for p in points[1:]:
                        pen.lineTo(p)
                    pen.closePath()
                    points = []
            return pen.glyph()
        return self.plain(name)

    def plain(self, name):
        pen = TTGlyphPen(None)
        self.flat(name).replay(pen)
        glyph = pen.glyph()
        if glyph.numberOfContours > 0:
            glyph.coordinates.toInt()
            dropImpliedOnCurvePoints(glyph)
        return glyph

    def advance(self, name):
        return round(self.hmtx[name][0] * self.scale)


def bounds(rec):
    xy = [p for op, args in rec.value for p in args if p]
    return min(x for x, _ in xy), min(y for _, y in xy), max(x for x, _ in xy), max(y for _, y in xy)


def boxed(src, inner):
    """A glyph of the white square U+25A1 with another sign inside."""
    box, sign = src.flat(src.cmap[0x25A1]), src.flat(src.cmap[inner])
    x0, y0, x1, y1 = bounds(box)
    a0, b0, a1, b1 = bounds(sign)
    k = 0.72 * min((x1 - x0) / (a1 - a0), (y1 - y0) / (b1 - b0))
    pen = TTGlyphPen(None)
    box.replay(pen)
    sign.replay(TransformPen(pen, (k, 0, 0, k, (x0 + x1) / 2 - k * (a0 + a1) / 2, (y0 + y1) / 2 - k * (b0 + b1) / 2)))
    glyph = pen.glyph()
    glyph.coordinates.toInt()
    return glyph


class Face:
    """Collects glyphs and writes a font."""

    def __init__(self, main):
        self.main = main
        self.order, self.glyphs, self.metrics, self.cmap = ['.notdef'], {'.notdef': main.plain('.notdef')}, {}, {}
        self.metrics['.notdef'] = main.advance('.notdef')

    def put(self, name, glyph, advance):
        self.order.append(name)
        self.glyphs[name], self.metrics[name] = glyph, advance

    def add(self, src, chars):
        for c in sorted(chars - set(self.cmap)):
            name = src.cmap.get(c)
            if name is None:
                continue
            own = src.key + ':' + name
            if own not in self.glyphs:
                self.put(own, src.glyph(name), src.advance(name))
            self.cmap[c] = own

    def add_check_boxes(self):
        src, cm = self.main, self.cmap
        cm.setdefault(0x2610, cm[0x25A1])
        cm.setdefault(0x2714, cm[0x2713])
        for c, inner in ((0x2611, 0x2713), (0x2612, 0xD7)):
            if c not in cm:
                name = 'made:%04X' % c
                self.put(name, boxed(src, inner), src.advance(src.cmap[0x25A1]))
                cm[c] = name

    def save(self, path, family, notice, bold=False):
        old = self.main.font
        k = self.main.scale
        fb = FontBuilder(1000, isTTF=True)
        fb.setupGlyphOrder(self.order)
        fb.setupCharacterMap(self.cmap)
        fb.setupGlyf(self.glyphs)
        fb.setupHorizontalMetrics({n: (self.metrics[n], getattr(self.glyphs[n], 'xMin', 0)) for n in self.order})
        hhea, os2 = old['hhea'], old['OS/2']
        fb.setupHorizontalHeader(ascent=round(hhea.ascent * k), descent=round(hhea.descent * k), lineGap=0)
        style = 'Bold' if bold else 'Regular'
        plain = family.replace(' ', '')
        fb.setupNameTable({
            'copyright': notice, 'familyName': family, 'styleName': style, 'uniqueFontIdentifier': plain + ';1.000',
            'fullName': family, 'version': 'Version 1.000', 'psName': plain,
            'description': 'A modified version: subset, without hinting and layout tables, renamed. See fonts/README.md of certpress.',
            'licenseDescription': 'This Font Software is licensed under the SIL Open Font License, Version 1.1.',
            'licenseInfoURL': 'https://openfontlicense.org',
        }, mac=False)
        fb.setupOS2(version=4, usWeightClass=700 if bold else 400, fsType=0, fsSelection=0x20 if bold else 0x40,
                    sTypoAscender=os2.sTypoAscender, sTypoDescender=os2.sTypoDescender, sTypoLineGap=0,
                    usWinAscent=round(hhea.ascent * k), usWinDescent=-round(hhea.descent * k),
                    sCapHeight=os2.sCapHeight, sxHeight=os2.sxHeight, achVendID='NONE',
                    ulCodePageRange1=1 << 0 | 1 << 18, ulCodePageRange2=0)
        fb.setupPost(keepGlyphNames=False, underlinePosition=-100, underlineThickness=50)
        font = fb.font
        font['OS/2'].recalcUnicodeRanges(font)
        font['head'].created = font['head'].modified = STAMP
        font['head'].macStyle = 1 if bold else 0
        font.recalcTimestamp = False
        fb.save(path)
        size = os.path.getsize(path)
        print('%-14s %6d characters %6d glyphs %10d bytes' % (os.path.basename(path), len(self.cmap), len(self.order), size), flush=True)
        return size


def irg_sources(root):
    out = {}
    with bz2.open(os.path.join(root, UNIHAN), 'rt', encoding='utf-8') as lines:
        for line in lines:
            part = line.rstrip('\n').split('\t')
            if len(part) == 3 and part[1].startswith('kIRG_') and part[1].endswith('Source'):
                out.setdefault(int(part[0][2:], 16), {})[part[1][5]] = part[2].split('-')[0]
    return out


def main():
    root, table = sys.argv[1:3]
    out = sys.argv[3] if len(sys.argv) > 3 else os.path.dirname(os.path.abspath(__file__))
    tgh = {ord(c) for c in open(table, encoding='utf-8').read() if not c.isspace()}
    assert len(tgh) == 8105
    irg = irg_sources(root)
    living = {c for c, s in irg.items() if c in PLANE_2 and 'G' in s and s['G'] not in DICTIONARIES}

    small = SIGNS | GB2312 | tgh | NAME_CHARS | BIG5_1 | living
    large = small | GBK | URO | PLANE_2
    reserved = {'wenkai': ' With Reserved Font Names "霞鹜" and "LXGW".'}
    hana = ('Copyright (c) 2011, GlyphWiki Project, with Reserved Font Name "Hanazono Font", "HanaMinA", "HanaMinB", '
            '"花園フォント", "花園明朝A", and "花園明朝B".')
    used, have = 0, {}
    for file, key, latin, family, chars in (
        ('Song', 'serif-sc', 'serif', 'Certpress Song', large),
        ('Hei', 'sans-sc', 'sans', 'Certpress Hei', large),
        ('HeiBold', 'sans-sc-bold', 'sans-bold', 'Certpress Hei Bold', small),
        ('Kai', 'wenkai', None, 'Certpress Kai', small),
    ):
        face = Face(Source(root, key))
        notice = face.main.notice() + reserved.get(key, '')
        face.add(face.main, chars)
        if latin:  # the accented letters that the Chinese font lacks, brought to the same cap height
            letters = Source(root, latin)
            letters.scale *= face.main.font['OS/2'].sCapHeight / letters.font['OS/2'].sCapHeight
            face.add(letters, LATIN)
            notice += '\n' + letters.notice()
        face.add_check_boxes()
        used += face.save(os.path.join(out, file + '.ttf'), family, notice, bold=file == 'HeiBold')
        have[file] = set(face.cmap)

    # Rare: what Song or Hei lack, best first, until the budget is full.
    both = have['Song'] & have['Hei']
    serif, a, b = Source(root, 'serif-sc'), Source(root, 'hana-a'), Source(root, 'hana-b')
    face = Face(serif)
    face.add(serif, {0x20} | NAME_CHARS | EXT_A | ((GBK | URO | PLANE_2) - both))
    face.add(a, (EXT_A | GBK | SIGNS | LATIN) - both)

    def rank(c):  # living use on the mainland, then Hong Kong, then dictionary characters that other places list too
        s = irg[c]
        return (c not in living, 'H' not in s, 'G' not in s, -len(s), c)

    queue = sorted((c for c in irg if c in PLANE_2 and c not in both and (c in a.cmap or c in b.cmap)), key=rank)
    room = BUDGET - used - 60_000  # tables other than glyf, name and such
    spent = sum(cost(face.glyphs[n]) for n in face.order)
    taken = 0
    for c in queue:
        if c in face.cmap:
            continue
        src = a if c in a.cmap else b
        name = src.cmap[c]
        own = src.key + ':' + name
        if own not in face.glyphs:
            glyph = src.glyph(name)
            if spent + cost(glyph) > room:
                break
            spent += cost(glyph)
            face.put(own, glyph, src.advance(name))
        face.cmap[c] = own
        taken += 1
    print('plane 2 characters from Hanazono: %d of %d in the queue' % (taken, len(queue)))
    used += face.save(os.path.join(out, 'Rare.ttf'), 'Certpress Rare', serif.notice() + '\n' + hana)
    print('together %d bytes' % used)


def cost(glyph):
    return (len(glyph.compile(None)) + 3) // 4 * 4 + 4 + 4  # outline, loca, hmtx


if __name__ == '__main__':
    main()
