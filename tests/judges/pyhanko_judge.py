"""pyHanko: the signature is valid, trusted, certifies that nothing may change, and covers the whole file."""

import logging
import os
from pathlib import Path

from asn1crypto import crl, pem
from pyhanko.keys import load_cert_from_pemder
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.fields import MDPPerm
from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from report import each, not_applicable, verdict
from signature import REVOKED, ROOT, Signature

STAMPED = os.environ.get("JUDGES_LEVEL") == "T"

logging.disable(logging.CRITICAL)


def context() -> ValidationContext:
    lists = [crl.CertificateList.load(pem.unarmor(file.read_bytes())[2]) for file in REVOKED]
    return ValidationContext(trust_roots=[load_cert_from_pemder(str(ROOT))], crls=lists, allow_fetching=False, revocation_mode="hard-fail")


def judge(file: Path) -> None:
    if Signature.of(file).algorithm == "sm2":
        return not_applicable("pyhanko", file, "knows no SM2")
    with file.open("rb") as data:
        signatures = PdfFileReader(data, strict=True).embedded_signatures
        if len(signatures) != 1:
            return verdict("pyhanko", file, [f"{len(signatures)} signatures"])
        [signature] = signatures
        status = validate_pdf_signature(signature, signer_validation_context=context())
        attributes = {a["type"].native for a in signature.signer_info["signed_attrs"]}
        roots = [c.subject.human_friendly for c in signature.other_embedded_certs if c.self_signed != "no"]
        stamp = status.timestamp_validity
    claims = {
        f"not valid and trusted: {status.summary()}": status.bottom_line,
        f"covers {status.coverage.name}": status.coverage == SignatureCoverageLevel.ENTIRE_FILE,
        f"modified: {status.modification_level}": status.modification_level == ModificationLevel.NONE,
        f"permits {signature.docmdp_level}": signature.docmdp_level == MDPPerm.NO_CHANGES,
        f"SubFilter {signature.sig_object['/SubFilter']}": signature.sig_object["/SubFilter"] == "/ETSI.CAdES.detached",
        f"signed attributes {sorted(attributes)}": attributes == {"content_type", "message_digest", "signing_certificate_v2"},
        f"time-stamp: {stamp}": (stamp is not None) == STAMPED,
        f"the root is embedded: {roots}": not roots,
    }
    note = f"{status.signing_cert.subject.native['common_name']}, {status.md_algorithm}" + (", B-T" if stamp else "")
    verdict("pyhanko", file, [fault for fault, holds in claims.items() if not holds], note)


each("pyhanko", "pdf", judge)
