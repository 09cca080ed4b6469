"""OpenSSL: the CMS of a PDF holds over its bytes as CAdES, and its chain leads to our root.

Its `cms` knows ECDSA and RSA. For Ed25519 and SM2 the attributes are taken apart here, and OpenSSL verifies the value
over them; chain and revocation are its own work for all.
"""

import hashlib
import subprocess
import tempfile
from pathlib import Path

from asn1crypto import pem

from report import folder, licences, verdict
from signature import REVOKED, ROOT, SM2_ROOT, Signature

SM2_ID = ["-sigopt", "distid:1234567812345678"]


def openssl(*arguments: object) -> str | None:
    """None when it is content, else the last line of what it says."""
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, errors="replace", check=False)
    return None if done.returncode == 0 else (done.stdout + done.stderr).strip().splitlines()[-1]


def chain(signature: Signature, place: Path) -> list[str]:
    own, *issuers = (pem.armor("CERTIFICATE", c.dump()) for c in signature.certificates)
    (place / "own").write_bytes(own)
    (place / "issuers").write_bytes(b"".join(issuers))
    sm2 = signature.algorithm == "sm2"
    lists = [file.with_name(f"sm2-{file.name}") if sm2 else file for file in REVOKED]
    (place / "crl").write_bytes(b"".join(file.read_bytes() for file in lists))
    options = ["-vfyopt", "distid:1234567812345678"] if sm2 else []
    said = openssl("verify", *options, "-crl_check_all", "-CRLfile", place / "crl", "-CAfile", SM2_ROOT if sm2 else ROOT,
                   "-untrusted", place / "issuers", "-x509_strict", place / "own")
    return [f"chain: {said}"] if said else []


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
    with key.open("wb") as out:
        subprocess.run(["openssl", "x509", "-in", place / "own", "-noout", "-pubkey"], stdout=out, check=True)
    if signature.algorithm == "sm2":
        said = openssl("dgst", "-sm3", *SM2_ID, "-verify", key, "-signature", place / "value", place / "attributes")
    else:
        said = openssl("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", key, "-sigfile", place / "value", "-in", place / "attributes")
    return faults + ([f"value: {said}"] if said else []), f"digest by {digest}, value over the attributes"


def judge(file: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        signature, place = Signature.of(file), Path(scratch)
        faults = chain(signature, place)
        more, way = envelope(signature, place)
    verdict("openssl", file, faults + more, f"{signature.algorithm}, {way}, chain")


if __name__ == "__main__":
    for licence in licences(folder()):
        if "pdf" in licence.files:
            try:
                judge(licence.files["pdf"])
            except (ValueError, subprocess.CalledProcessError) as error:
                verdict("openssl", licence.files["pdf"], [str(error)])
