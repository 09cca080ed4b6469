#!/usr/bin/env python3
"""benches/records.py N [FIRST] [--small] > many.jsonl: N invented 一级建造师, numbers from FIRST; the same for the same N and FIRST.

Area code 110000 is nobody's. Portraits and signatures are those of samples/records, inside the lines as base64; with
--small they are a few grey pixels, for a million lines with true ones would be 27 GB.
"""

import base64
import json
import random
import struct
import sys
import zlib
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "records"
PHOTOS = [f"data:image/jpeg;base64,{base64.b64encode(p.read_bytes()).decode()}" for p in sorted((SAMPLES / "photos").glob("p*.jpg"))]
SIGNATURES = [f"data:image/png;base64,{base64.b64encode(p.read_bytes()).decode()}" for p in sorted((SAMPLES / "signatures").glob("s*.png"))]
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰建文辉力"
SPECIALTIES = ["建筑工程", "公路工程", "水利水电工程", "市政公用工程", "矿业工程", "机电工程"]
CODE = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def grey(level: int) -> str:
    """A PNG of 24 × 32 pixels of one grey."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", 24, 32, 8, 0, 0, 0, 0)
    body = zlib.compress((b"\0" + bytes([level]) * 24) * 32)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(png).decode()


def identity_number(birth: str, order: int) -> str:
    """GB 11643: area, birth date, order (odd is male), check digit MOD 11-2."""
    digits = f"110000{birth}{order:03}"
    return digits + "10X98765432"[sum(int(d) * (2 ** (17 - i) % 11) for i, d in enumerate(digits)) % 11]


def company_code(serial: int) -> str:
    """GB 32100: weights 3^i mod 31 over the first 17; inside, GB 11714 for the organisation."""
    body = "MA" + "".join(CODE[serial // 31**i % 31] for i in range(5, -1, -1))
    value = lambda c: int(c) if c.isdigit() else ord(c) - 55
    weights = [3, 7, 9, 10, 5, 8, 4, 2]
    organisation = body + "0123456789X0"[(11 - sum(w * value(c) for w, c in zip(weights, body)) % 11) % 11]
    digits = "91110000" + organisation
    return digits + CODE[(31 - sum(3**i % 31 * CODE.index(c) for i, c in enumerate(digits)) % 31) % 31]


def record(number: int) -> dict:
    draw = random.Random(number)
    male = draw.random() < 0.5
    year, month, day = draw.randint(1966, 1998), draw.randint(1, 12), draw.randint(1, 28)
    order = draw.randrange(1 if male else 2, 1000, 2)
    company = draw.randrange(max(1, number // 20 + 1))
    while "X" in (code := company_code(company))[8:17]:  # such an organisation code has no place in GB 32100's alphabet
        company += 1
    return {
        "licence_type": "constructor-1",
        "number": f"京111{2006 + number // 10**5 % 16}2021{number % 10**5:05}",
        "serial": f"TEST{number:010}",
        "version": 1,
        "holder": {
            "name": draw.choice(SURNAMES) + "".join(draw.sample(GIVEN, draw.randint(1, 2))),
            "sex": "男" if male else "女",
            "birth_date": f"{year}-{month:02}-{day:02}",
            "id_type": "111",
            "id_number": identity_number(f"{year}{month:02}{day:02}", order),
            "phone_bound": True,
            "photo": draw.choice(PHOTOS),
            "signature": draw.choice(SIGNATURES),
        },
        "employer": {"name": f"北京测试第{company + 1}建筑工程有限公司", "uscc": code},
        "specialties": [
            {"name": name, "valid_from": "today-1y", "valid_to": f"today+{draw.randint(60, 700)}d"}
            for name in draw.sample(SPECIALTIES, draw.randint(1, 3))
        ],
        "issuer": {"name": "中华人民共和国住房和城乡建设部", "code": "11100000000013338W"},
        "issued_on": "today-1y",
        "status": "valid",
        "reported": True,
    }


options = [option for option in sys.argv[1:] if option != "--small"]
if len(options) < len(sys.argv) - 1:
    PHOTOS = SIGNATURES = [grey(level) for level in range(100, 200)]
count, first = int(options[0]), int(options[1]) if len(options) > 1 else 0
for number in range(first, first + count):
    print(json.dumps(record(number), ensure_ascii=False))
