"""poppler's pdfsig: the signature is valid, its certificate trusted by our root alone, the whole file signed."""

import os
import shutil
import subprocess
from pathlib import Path

from report import each, not_applicable, verdict
from signature import ROOT, Signature

STORE = Path(os.environ.get("JUDGES_RASTER", "target/judges/raster")).with_name("nss")
UNKNOWN = {"ed25519": "NSS verifies no Ed25519", "sm2": "NSS knows no SM2"}
WANTED = ["Signature Type: ETSI.CAdES.detached", "Total document signed", "Signature Validation: Signature is Valid.",
          "Certificate Validation: Certificate is Trusted."]


def run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def make_store() -> None:
    """A certificate store that holds our root and nothing else."""
    shutil.rmtree(STORE, ignore_errors=True)
    STORE.mkdir(parents=True)
    run("certutil", "-N", "-d", f"sql:{STORE}", "--empty-password")
    said = run("certutil", "-A", "-d", f"sql:{STORE}", "-n", "root", "-t", "CT,CT,CT", "-a", "-i", ROOT)
    if said:
        raise SystemExit(said)


def judge(file: Path) -> None:
    if reason := UNKNOWN.get(Signature.of(file).algorithm):
        return not_applicable("pdfsig", file, reason)
    said = run("pdfsig", "-no-ocsp", "-nssdir", f"sql:{STORE}", file)
    count = said.count("Signature #")
    faults = [f"does not say `{wanted}`" for wanted in WANTED if wanted not in said]
    verdict("pdfsig", file, faults + [f"{count} signatures"] * (count != 1))


make_store()
each("pdfsig", "pdf", judge)
