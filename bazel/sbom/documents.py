"""SBOM documents of an image: SPDX 2.3 and CycloneDX 1.6, as JSON.

Both say the same, and depend on their input alone: the time is the lock's, identifiers come from the image's digest.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from packageurl import PackageURL

from bazel.sbom.licences import NOASSERTION
from bazel.sbom.packages import Package

SOURCE = "https://github.com/dox-asdlc/mcp-sidecars"
TOOL = "dox-asdlc-sbom"


class Image(NamedTuple):
    """What a document describes."""

    repository: str  # such as mcp/redis
    architecture: str
    version: str
    digest: str  # of its manifest: sha256:...
    created: str  # RFC 3339

    @property
    def purl(self) -> str:
        name = self.repository.rsplit("/", 1)[-1]
        return PackageURL("oci", None, name, self.digest, {"arch": self.architecture}).to_string()


def _spdx_id(package: Package) -> str:
    kind = package.purl.split(":", 1)[1].split("/", 1)[0]
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.]+", "-", f"{kind}-{package.name}-{package.version}")


def spdx(image: Image, packages: Sequence[Package]) -> dict[str, Any]:
    """An SPDX 2.3 document: https://spdx.github.io/spdx-spec/v2.3/."""
    root = "SPDXRef-image"
    entries: list[dict[str, Any]] = [
        {
            "SPDXID": root,
            "name": image.repository,
            "versionInfo": image.version,
            "downloadLocation": NOASSERTION,
            "filesAnalyzed": False,
            "licenseConcluded": NOASSERTION,
            "licenseDeclared": "Apache-2.0",
            "copyrightText": NOASSERTION,
            "primaryPackagePurpose": "CONTAINER",
            "checksums": [{"algorithm": "SHA256", "checksumValue": image.digest.removeprefix("sha256:")}],
            "externalRefs": [_purl(image.purl)],
        }
    ]
    texts: dict[str, str] = {}
    for package in packages:
        texts |= package.licence.texts
        entry: dict[str, Any] = {
            "SPDXID": _spdx_id(package),
            "name": package.name,
            "versionInfo": package.version,
            "downloadLocation": NOASSERTION,
            "filesAnalyzed": False,
            "licenseConcluded": NOASSERTION,
            "licenseDeclared": package.licence.expression,
            "copyrightText": NOASSERTION,
            "externalRefs": [_purl(package.purl)],
        }
        if package.sha256:
            entry["checksums"] = [{"algorithm": "SHA256", "checksumValue": package.sha256}]
        if package.supplier:
            entry["supplier"] = "Organization: " + package.supplier
        if package.homepage:
            entry["homepage"] = package.homepage
        if package.summary:
            entry["summary"] = package.summary
        if package.source:
            entry["sourceInfo"] = f"built from Debian's source package {package.source}"
        entries.append(entry)
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{image.repository}-{image.architecture}-{image.version}",
        "documentNamespace": f"{SOURCE}/spdx/{image.repository}/{image.architecture}/{image.digest.replace(':', '-')}",
        "creationInfo": {"created": image.created, "creators": [f"Tool: {TOOL}-{image.version}"]},
        "packages": entries,
        "hasExtractedLicensingInfos": [
            {"licenseId": name, "name": name.removeprefix("LicenseRef-"), "extractedText": text}
            for name, text in sorted(texts.items())
        ],
        "relationships": [
            {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": root},
            *(
                {"spdxElementId": root, "relationshipType": "CONTAINS", "relatedSpdxElement": _spdx_id(package)}
                for package in packages
            ),
        ],
    }


def _purl(purl: str) -> dict[str, str]:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}


def cyclonedx(image: Image, packages: Sequence[Package]) -> dict[str, Any]:
    """A CycloneDX 1.6 document: https://cyclonedx.org/docs/1.6/json/."""
    components = []
    for package in packages:
        component: dict[str, Any] = {
            "type": "library",
            "bom-ref": package.purl,
            "name": package.name,
            "version": package.version,
            "purl": package.purl,
        }
        if package.summary:
            component["description"] = package.summary
        if package.supplier:
            component["supplier"] = {"name": package.supplier}
        if package.sha256:
            component["hashes"] = [{"alg": "SHA-256", "content": package.sha256}]
        if package.licence.expression != NOASSERTION:
            component["licenses"] = [{"expression": package.licence.expression}]
        if package.homepage:
            component["externalReferences"] = [{"type": "website", "url": package.homepage}]
        components.append(component)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{SOURCE}/{image.repository}/{image.digest}')}",
        "version": 1,
        "metadata": {
            "timestamp": image.created,
            "tools": {"components": [{"type": "application", "name": TOOL, "version": image.version}]},
            "component": {
                "type": "container",
                "bom-ref": image.purl,
                "name": image.repository,
                "version": image.version,
                "purl": image.purl,
                "hashes": [{"alg": "SHA-256", "content": image.digest.removeprefix("sha256:")}],
                "licenses": [{"expression": "Apache-2.0"}],
            },
        },
        "components": components,
        "dependencies": [
            {"ref": image.purl, "dependsOn": [package.purl for package in packages]},
            *({"ref": package.purl} for package in packages),
        ],
    }
