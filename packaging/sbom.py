#!/usr/bin/env python3
"""Writes the SBOM of an artifact beside it, as CycloneDX: what cargo-auditable has put into its binary.

    sbom.py BINARY ARTIFACT

The same binary and artifact give the same SBOM: no random serial number, and the time of the source.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import uuid
from datetime import datetime, timezone

binary, artifact = sys.argv[1], pathlib.Path(sys.argv[2])
tools = pathlib.Path(__file__).parent.parent / "target/tools/bin"
raw = subprocess.run([tools / "auditable2cdx", binary], check=True, capture_output=True, text=True).stdout
# Of the crates that are not from a registry: no part of a valid purl.
bom = json.loads(raw.replace("&download_url=redacted", ""))

digest = hashlib.sha256(artifact.read_bytes()).hexdigest()
time = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), timezone.utc)
bom["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, digest).urn
bom["version"] = 1
metadata = bom.setdefault("metadata", {})
metadata["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ")
main = metadata["component"]
main["hashes"] = [{"alg": "SHA-256", "content": digest}]
main.setdefault("properties", []).append({"name": "artifact", "value": artifact.name})
assert len(bom["components"]) > 50, "the binary does not list its dependencies"
pathlib.Path(f"{artifact}.cdx.json").write_text(json.dumps(bom, indent=1, sort_keys=True) + "\n")
