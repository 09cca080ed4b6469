"""The one signature of a PDF, read without the product, and the test PKI it is judged by."""

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from asn1crypto import cms, x509

KEYS = Path(os.environ.get("JUDGES_KEYS", "keys"))
ROOT = KEYS / "trust/root.pem"
SM2_ROOT = KEYS / "trust/sm2-root.pem"
REVOKED = [KEYS / f"certificates/{ca}.crl.pem" for ca in ("root", "issuing-ca")]

NAMES = {"1.2.156.10197.1.301": "sm2", "1.3.101.112": "ed25519", "1.2.840.113549.1.1.1": "rsa", "1.2.840.10045.3.1.7": "p256"}

# GB/T 35275 names the same structure by an identifier of its own.
cms.ContentType._map["1.2.156.10197.6.1.4.2.2"] = "gm_signed_data"
cms.ContentInfo._oid_specs["gm_signed_data"] = cms.SignedData


@dataclass
class Signature:
    content: bytes
    der: bytes

    @classmethod
    def of(cls, file: Path) -> "Signature":
        data = file.read_bytes()
        [ranges] = re.findall(rb"/ByteRange\s*\[\s*(\d+) (\d+) (\d+) (\d+)\s*\]", data)
        start, length, resume, rest = map(int, ranges)
        if start != 0 or resume + rest != len(data):
            raise ValueError("the ByteRange leaves out an end of the file")
        gap = data[length:resume]
        if not re.fullmatch(rb"<[0-9A-Fa-f]+>", gap):
            raise ValueError("the gap of the ByteRange is no hexadecimal string")
        return cls(data[:length] + data[resume:], bytes.fromhex(gap[1:-1].decode()))

    @cached_property
    def signed(self) -> cms.SignedData:
        return cms.ContentInfo.load(self.der)["content"]

    @cached_property
    def signer(self) -> cms.SignerInfo:
        [signer] = self.signed["signer_infos"]
        return signer

    @cached_property
    def certificates(self) -> list[x509.Certificate]:
        """The signer's first."""
        serial = self.signer["sid"].chosen["serial_number"].native
        return sorted((c.chosen for c in self.signed["certificates"]), key=lambda c: c.serial_number != serial)

    @property
    def algorithm(self) -> str:
        key = self.certificates[0]["tbs_certificate"]["subject_public_key_info"]["algorithm"]
        known = NAMES.get(key["algorithm"].dotted)
        return known or NAMES.get(key["parameters"].chosen.dotted, "unknown")
