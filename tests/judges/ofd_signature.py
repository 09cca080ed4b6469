"""Every signature of every OFD, without a line of ours: structure, coverage, digests, and OpenSSL for keys.

- The archive: no entry twice, none that a path could hide, nothing before or after.
- Coverage: the last signature covers every entry but its own two files; one before it may lack
  also what came later: those after it, and the list of signatures.
- SM3 of each entry equals its reference; all references are absolute and lead to an entry.
- A seal: `Seal.esl` is the sealed one byte for byte, the data hash is that of `Signature.xml`, the
  signer is in the seal's list; OpenSSL verifies the maker's and the signer's SM2 values.
- A plain signature: the message digest inside is that of `Signature.xml`, OpenSSL verifies the
  value over the signed attributes.
- Chains lead to the roots of the key folder (`trust/*.pem` of JUDGES_KEYS).
"""

import base64
import hashlib
import os
import re
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

from report import folder, licences, verdict

OFD = "{http://www.ofdspec.org/2016}"
SM3, SM2_WITH_SM3 = "1.2.156.10197.1.401", "1.2.156.10197.1.501"
LIST = "Doc_0/Signs/Signatures.xml"
KEYS = Path(os.environ.get("JUDGES_KEYS", "keys"))


class Fault(Exception):
    pass


def check(holds: bool, message: str) -> None:
    if not holds:
        raise Fault(message)


def openssl(*arguments: str | Path, given: bytes = b"") -> subprocess.CompletedProcess:
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True)


def sm3(data: bytes) -> bytes:
    if "sm3" in hashlib.algorithms_available:
        return hashlib.new("sm3", data).digest()
    return openssl("dgst", "-sm3", "-binary", given=data).stdout


class Der:
    """One element of DER: its tag, its content, its own bytes, and where it ends."""

    def __init__(self, data: bytes, start: int = 0):
        self.tag, length, at = data[start], data[start + 1], start + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(data[at:at + size], "big"), at + size
        self.end = at + length
        check(self.end <= len(data), "DER is cut off")
        self.content, self.whole = data[at:self.end], data[start:self.end]

    def parts(self) -> list["Der"]:
        found, at = [], 0
        while at < len(self.content):
            found.append(Der(self.content, at))
            at = found[-1].end
        return found

    def oid(self) -> str:
        values, value = [], 0
        for byte in self.content:
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                values.append(value)
                value = 0
        return ".".join(map(str, [values[0] // 40 if values[0] < 80 else 2, values[0] - min(values[0] // 40, 2) * 40, *values[1:]]))

    def bits(self) -> bytes:
        check(self.tag == 3 and self.content[0] == 0, "no whole bit string")
        return self.content[1:]


def whole(data: bytes) -> Der:
    element = Der(data)
    check(element.end == len(data), "bytes after the end of DER")
    return element


def verify(certificate: bytes, message: bytes, signature: bytes, who: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        key, text, value = (Path(place, name) for name in ("key", "text", "value"))
        key.write_bytes(openssl("x509", "-inform", "DER", "-noout", "-pubkey", given=certificate).stdout)
        text.write_bytes(message)
        value.write_bytes(signature)
        done = openssl("pkeyutl", "-verify", "-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678",
                       "-pubin", "-inkey", key, "-in", text, "-sigfile", value)
    check(done.returncode == 0 and b"Verified Successfully" in done.stdout, f"OpenSSL refuses the signature of {who}")


def chain(certificate: bytes, at: str, who: str) -> None:
    """Link by link up to a root: OpenSSL gives the SM2 user id to the first certificate alone. A
    seal carries no issuers, so they come from the key folder."""
    der = {file: openssl("x509", "-in", file, "-outform", "DER").stdout
           for file in sorted([*KEYS.glob("certificates/*-ca.pem"), *KEYS.glob("trust/*.pem")])}
    while certificate not in [der[root] for root in der if root.parent.name == "trust"]:
        links = (["verify", "-partial_chain", "-vfyopt", "distid:1234567812345678", "-attime", at, "-trusted", issuer] for issuer in der)
        pem = openssl("x509", "-inform", "DER", given=certificate).stdout
        above = [found for found, link in zip(der.values(), links) if found != certificate and openssl(*link, given=pem).returncode == 0]
        check(len(above) == 1, f"{who} has no chain to {KEYS}/trust")
        certificate = above[0]


def seconds(generalized: str) -> str:
    check(re.fullmatch(r"\d{14}Z", generalized) is not None, f"{generalized} is no instant in UTC")
    date = subprocess.run(["date", "-u", "-d", re.sub(r"(....)(..)(..)(..)(..)(..)Z", r"\1-\2-\3 \4:\5:\6", generalized), "+%s"],
                          capture_output=True, text=True)
    return date.stdout.strip()


def seal(value: bytes, esl: bytes, description: bytes, path: str, said: str) -> None:
    content, certificate, algorithm, signature = whole(value).parts()[:4]
    check(algorithm.oid() == SM2_WITH_SM3, "the signature's algorithm is not SM2 with SM3")
    version, sealed, at, data_hash, property_info = content.parts()[:5]
    check(version.content == b"\4" and at.content.decode() == said, "not version 4, or another instant")
    check(sealed.whole == esl, "Seal.esl is not the sealed one")
    check(data_hash.bits() == sm3(description), "the data hash is not that of Signature.xml")
    check(property_info.content.decode() == f"/{path}", "propertyInfo is not the path of Signature.xml")
    verify(certificate.content, content.whole, signature.bits(), "the signer")
    chain(certificate.content, seconds(said), "the signer")
    info, maker, algorithm, signature = sealed.parts()
    check(algorithm.oid() == SM2_WITH_SM3, "the seal's algorithm is not SM2 with SM3")
    verify(maker.content, info.whole, signature.bits(), "the seal maker")
    property_ = info.parts()[2].parts()
    chain(maker.content, seconds(property_[4].content.decode()), "the seal maker")
    check(certificate.content in [holder.content for holder in property_[3].parts()], "the signer does not hold the seal")
    check(property_[5].content <= at.content <= property_[6].content, "sealed outside the seal's time")
    check(info.parts()[3].parts()[1].content.startswith(b"\x89PNG"), "the seal's picture is no PNG")


def plain(value: bytes, description: bytes, said: str) -> None:
    signed = whole(value).parts()[1].parts()[0].parts()
    certificates = [one.whole for part in signed if part.tag == 0xA0 for one in part.parts()]
    signer = signed[-1].parts()[0].parts()
    attributes = next(part for part in signer if part.tag == 0xA0)
    digest = next(one.parts()[1].parts()[0].content for one in attributes.parts()
                  if one.parts()[0].oid() == "1.2.840.113549.1.9.4")
    check(digest == sm3(description), "the message digest is not that of Signature.xml")
    serial = signer[1].parts()[1].whole
    own = next(one for one in certificates if serial in Der(one).parts()[0].whole[:64])
    verify(own, b"\x31" + attributes.whole[1:], signer[-1].content, "the signer")
    chain(own, seconds(said), "the signer")


def judge(file: Path) -> str:
    data = file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        check(data.startswith(b"PK\3\4") and data[-22:-18] == b"PK\5\6", "bytes before or after the archive")
        check(len({name.casefold() for name in names}) == len(names), "an entry is there twice")
        check(all(re.fullmatch(r"[!-~]+", name) and not re.search(r"^/|\\|\.\.|//", name) for name in names), "a strange name")
        entries = {name: archive.read(name) for name in names}
    digests = {name: sm3(entry) for name, entry in entries.items()}
    root = ElementTree.fromstring(entries["OFD.xml"])
    check([one.text for one in root.iter(f"{OFD}Signatures")] == [f"/{LIST}"], "OFD.xml leads to no list of signatures")
    signatures = ElementTree.fromstring(entries[LIST]).findall(f"{OFD}Signature")
    check(len(signatures) > 0, "the list of signatures is empty")
    later = {LIST}  # what a signature need not cover: in the end this is empty but for its own
    kinds = []
    for number, signature in reversed(list(enumerate(signatures))):
        path = f"Doc_0/Signs/Sign_{number}/Signature.xml"
        check(signature.get("BaseLoc") == f"/{path}", f"signature {number} lies elsewhere")
        description = entries[path]
        info = ElementTree.fromstring(description)
        text = lambda name: info.findtext(f".//{OFD}{name}")
        value = text("SignedValue").removeprefix("/")
        check(text("SignedValue") == f"/Doc_0/Signs/Sign_{number}/SignedValue.dat", "SignedValue lies elsewhere")
        check(text("SignatureMethod") == SM2_WITH_SM3, "SignatureMethod is not SM2 with SM3")
        check(info.find(f".//{OFD}References").get("CheckMethod") == SM3, "CheckMethod is not SM3")
        references = {}
        for one in info.iter(f"{OFD}Reference"):
            name = one.get("FileRef")
            check(name.startswith("/") and name[1:] not in references, f"{name} is relative or twice")
            references[name[1:]] = base64.b64decode(one.findtext(f"{OFD}CheckValue"), validate=True)
        last = number + 1 == len(signatures)
        may_lack = {path, value} | (set() if last else later)
        check(entries.keys() - references.keys() <= may_lack, f"not covered: {sorted(entries.keys() - references.keys() - may_lack)}")
        check(not references.keys() & {path, value}, "a signature covers itself")
        for name, digest in references.items():
            check(digests.get(name) == digest, f"{name} is not what was signed")
        later |= {path, value}
        kinds.append(signature.get("Type"))
        if signature.get("Type") == "Seal":
            stamp = info.find(f".//{OFD}StampAnnot")
            pages = re.findall(rb'<ofd:Page ID="(\d+)"', entries["Doc_0/Document.xml"])
            check(stamp.get("PageRef").encode() in pages and len(stamp.get("Boundary").split()) == 4, "the stamp is on no page")
            seal(entries[value], entries[text("BaseLoc").removeprefix("/")], description, path, text("SignatureDateTime"))
        else:
            plain(entries[value], description, text("SignatureDateTime"))
    return f"{', '.join(reversed(kinds))}; {len(entries)} entries covered"


for licence in licences(folder()):
    if ofd := licence.files.get("ofd"):
        try:
            verdict("ofd_signature", ofd, [], judge(ofd))
        except (Fault, KeyError, ValueError, IndexError, AttributeError, ElementTree.ParseError, zipfile.BadZipFile) as error:
            verdict("ofd_signature", ofd, [f"{type(error).__name__}: {error}" if not isinstance(error, Fault) else str(error)])
