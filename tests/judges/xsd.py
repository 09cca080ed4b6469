"""xmllint holds every XML part of the OFD against the schemas of GB/T 33190-2016.

The schemas lie beside the checkout and are used in place; without them the judge is a skip.
"""

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
import zipfile
from collections import defaultdict
from pathlib import Path

from report import folder, licences, verdict

SCHEMAS = Path(os.environ["JUDGES_SCHEMA"])
NAMESPACE = "{http://www.ofdspec.org/2016}"
# Root element → schema, where the two have different names.
RENAMED = {"PageAnnot": "Annotation", "DocVersion": "Version"}
# What every signed OFD breaks: the schema knows MD5 and SHA-1 only.
OLD = "attribute 'CheckMethod': [facet 'enumeration']"


def judge(file: Path) -> None:
    faults, strangers = [], []
    by_schema = defaultdict(list)
    with tempfile.TemporaryDirectory() as place, zipfile.ZipFile(file) as archive:
        archive.extractall(place)
        for part in sorted(Path(place).rglob("*.xml")):
            name = str(part.relative_to(place))
            try:
                root = ElementTree.parse(part).getroot().tag
            except ElementTree.ParseError as error:
                faults.append(f"{name}: {error}")
                continue
            if not root.startswith(NAMESPACE):
                continue  # an attachment
            root = root.removeprefix(NAMESPACE)
            schema = SCHEMAS / f"{RENAMED.get(root, root)}.xsd"
            if schema.exists():
                by_schema[schema].append(name)
            else:
                strangers.append(f"{name} <{root}>")
        for schema, names in by_schema.items():
            done = subprocess.run(
                ["xmllint", "--noout", "--nonet", "--schema", schema.resolve(), *names],
                cwd=place, capture_output=True, text=True,
            )
            if done.returncode:
                said = (line for line in done.stderr.splitlines() if "validates" not in line and "fails to" not in line)
                faults += [line for line in said if OLD not in line][:6]
    note = f"{sum(map(len, by_schema.values()))} parts"
    verdict("xsd", file, faults, note + (f", no schema for {', '.join(strangers)}" if strangers else ""))


if not SCHEMAS.is_dir():
    print("skip xsd *: no schemas of GB/T 33190 at ../shared/data/ofd-schema")
    sys.exit()
for licence in licences(folder()):
    if "ofd" in licence.files:
        judge(licence.files["ofd"])
