"""OpenSSL: the CMS of a PDF holds over its bytes as CAdES, and its chain leads to our root.

Its `cms` knows ECDSA and RSA. For Ed25519 and SM2 the attributes are taken apart here, and OpenSSL verifies the value
over them. The chain is its own work for all, revocation for all but SM2.
"""

import hashlib
import subprocess
import tempfile
from pathlib import Path

from asn1crypto import pem

from report import each, verdict
from signature import REVOKED, ROOT, SM2_ROOT, Signature

SM2_ID = "distid:1234567812345678"
SM2_LINK = ("-partial_chain", "-vfyopt", SM2_ID)


def openssl(*arguments: object) -> str | None:
    """None when it is content, else the end of what it says."""
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, errors="replace", check=False)
    return None if done.returncode == 0 else " ".join((done.stdout + done.stderr).split())[-300:]


def chain(signature: Signature, place: Path) -> list[str]:
    own, *issuers = (place / f"{i}.pem" for i in range(len(signature.certificates)))
    for file, certificate in zip((own, *issuers), signature.certificates, strict=True):
        file.write_bytes(pem.armor("CERTIFICATE", certificate.dump()))
    if signature.algorithm == "sm2":
        # OpenSSL can be told the SM2 user id for the last certificate only, so it judges link by link.
        above = (*issuers, SM2_ROOT)
        links = [(*SM2_LINK, "-trusted", issuer, file) for file, issuer in zip((own, *issuers), above, strict=True)]
    else:
        lists = place / "lists"
        lists.write_bytes(b"".join(file.read_bytes() for file in REVOKED))
        untrusted = [part for file in issuers for part in ("-untrusted", file)]
        links = [("-x509_strict", "-crl_check_all", "-CRLfile", lists, "-CAfile", ROOT, *untrusted, own)]
    return [f"chain: {said}" for link in links if (said := openssl("verify", *link))]


def envelope(signature: Signature, place: Path) -> tuple[list[str], str]:
    (place / "cms").write_bytes(signature.der)
    (place / "content").write_bytes(signature.content)
    if signature.algorithm in ("p256", "rsa"):
        said = openssl("cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", place / "cms", "-content", place / "content",
                       "-CAfile", ROOT, "-purpose", "any", "-out", "/dev/null")
        return ([f"cms: {said}"] if said else []), "cms -verify -cades"
    digest = {"ed25519": "sha512", "sm2": "sm3"}[signature.algorithm]
    [claimed] = (a["values"][0].native for a in signature.signer["signed_attrs"] if a["type"].native == "message_digest")
    faults = [] if hashlib.new(digest, signature.content).digest() == claimed else ["the digest is of other bytes"]
    # RFC 5652 5.4: what is signed is the attributes as a SET.
    (place / "attributes").write_bytes(signature.signer["signed_attrs"].untag().dump())
    (place / "value").write_bytes(signature.signer["signature"].native)
    key = place / "key"
    key.write_bytes(subprocess.run(["openssl", "x509", "-in", place / "0.pem", "-noout", "-pubkey"], capture_output=True, check=True).stdout)
    if signature.algorithm == "sm2":
        said = openssl("dgst", "-sm3", "-sigopt", SM2_ID, "-verify", key, "-signature", place / "value", place / "attributes")
    else:
        said = openssl("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", key, "-sigfile", place / "value", "-in", place / "attributes")
    return faults + ([f"value: {said}"] if said else []), f"digest by {digest}, value over the attributes"


def judge(file: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        signature, place = Signature.of(file), Path(scratch)
        faults = chain(signature, place)
        more, way = envelope(signature, place)
    verdict("openssl", file, faults + more, f"{signature.algorithm}, {way}, chain")


each("openssl", "pdf", judge)
