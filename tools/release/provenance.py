"""SLSA provenance: which sources, locks and packages an artifact was built from.

Specification: in-toto Statement v1, https://slsa.dev/spec/v1.0/provenance. It depends on the release alone and has no times, so
that a release made again is the same.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SOURCE = "https://github.com/dox-asdlc/mcp-sidecars"
TARGET = "//tools/release:artifacts"
LOCKS = ("bazel/debian/lock.json", "bazel/helm/lock.json", "bazel/python/requirements_linux.txt", ".bazelversion")


def statement(
    subjects: Sequence[tuple[str, str]], commit: str, version: str, tree: Path, sboms: Sequence[Path]
) -> dict[str, Any]:
    """Return an in-toto statement with SLSA provenance v1 as its predicate.

    `subjects` have a name and a digest (sha256:...). The tree gives the digests of the locks. The packages of the CycloneDX
    documents are dependencies.
    """
    dependencies = [{"uri": f"git+{SOURCE}@{commit}", "digest": {"gitCommit": commit}}]
    dependencies += [
        {
            "uri": f"git+{SOURCE}@{commit}#{name}",
            "name": name,
            "digest": {"sha256": hashlib.sha256((tree / name).read_bytes()).hexdigest()},
        }
        for name in LOCKS
    ]
    packages = {}
    for sbom in sboms:
        for component in json.loads(sbom.read_text())["components"]:
            for digest in component.get("hashes", []):
                packages[component["purl"], digest["content"]] = {
                    "uri": component["purl"],
                    "digest": {"sha256": digest["content"]},
                }
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}} for name, digest in subjects],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": f"{SOURCE}/blob/main/docs/release.md#the-build-type",
                "externalParameters": {
                    "source": {"uri": f"git+{SOURCE}", "digest": {"gitCommit": commit}},
                    "target": TARGET,
                    "version": version,
                },
                "internalParameters": {"bazel": (tree / ".bazelversion").read_text().strip()},
                "resolvedDependencies": dependencies + [packages[key] for key in sorted(packages)],
            },
            "runDetails": {"builder": {"id": f"{SOURCE}/blob/main/docs/release.md#the-builder"}},
        },
    }
