"""SBOM documents of an image: SPDX 2.3 by spdx-tools and CycloneDX 1.6 by cyclonedx-python-lib, as JSON.

Both say the same, and depend on their input alone: the time is the lock's, identifiers come from the image's digest.
"""

import io
import re
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.license import LicenseExpression
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from spdx_tools.spdx.model import (
    Actor,
    ActorType,
    Checksum,
    ChecksumAlgorithm,
    CreationInfo,
    Document,
    ExternalPackageRef,
    ExternalPackageRefCategory,
    ExtractedLicensingInfo,
    PackagePurpose,
    Relationship,
    RelationshipType,
    SpdxNoAssertion,
)
from spdx_tools.spdx.model import Package as SpdxPackage
from spdx_tools.spdx.writer.json.json_writer import write_document_to_stream

from bazel.sbom.licences import NOASSERTION, SPDX, Licence
from bazel.sbom.packages import Package

SOURCE = "https://github.com/dox-asdlc/mcp-sidecars"
TOOL = "dox-asdlc-sbom"


class Image(NamedTuple):
    """The image that a document describes."""

    repository: str  # such as mcp/redis
    architecture: str
    version: str
    digest: str  # of its manifest: sha256:...
    created: datetime

    @property
    def package(self) -> Package:
        name = self.repository.rsplit("/", 1)[-1]
        purl = PackageURL("oci", None, name, self.digest, {"arch": self.architecture}).to_string()
        sha256 = self.digest.removeprefix("sha256:")
        return Package(self.repository, self.version, purl, Licence("Apache-2.0", {}), sha256)


def spdx(image: Image, packages: Sequence[Package]) -> str:
    """Return a valid SPDX 2.3 document (https://spdx.github.io/spdx-spec/v2.3/), or raise ValueError."""
    root = _spdx_package(image.package, "SPDXRef-image")
    root.primary_package_purpose = PackagePurpose.CONTAINER
    contents = [_spdx_package(package, _spdx_id(package)) for package in packages]
    texts = {name: text for package in packages for name, text in package.licence.texts.items()}
    identity = f"{image.repository}/{image.architecture}/{image.digest.replace(':', '-')}"
    document = Document(
        CreationInfo(
            spdx_version="SPDX-2.3",
            spdx_id="SPDXRef-DOCUMENT",
            name=f"{image.repository}-{image.architecture}-{image.version}",
            document_namespace=f"{SOURCE}/spdx/{identity}",
            creators=[Actor(ActorType.TOOL, f"{TOOL}-{image.version}")],
            created=image.created,
        ),
        packages=[root, *contents],
        extracted_licensing_info=[
            ExtractedLicensingInfo(name, text, name.removeprefix("LicenseRef-")) for name, text in sorted(texts.items())
        ],
        relationships=[
            Relationship("SPDXRef-DOCUMENT", RelationshipType.DESCRIBES, root.spdx_id),
            *(Relationship(root.spdx_id, RelationshipType.CONTAINS, package.spdx_id) for package in contents),
        ],
    )
    output = io.StringIO()
    write_document_to_stream(document, output)
    return output.getvalue()


def _spdx_id(package: Package) -> str:
    kind = package.purl.split(":", 1)[1].split("/", 1)[0]
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.]+", "-", f"{kind}-{package.name}-{package.version}")


def _spdx_package(package: Package, spdx_id: str) -> SpdxPackage:
    expression = package.licence.expression
    return SpdxPackage(
        spdx_id=spdx_id,
        name=package.name,
        version=package.version,
        download_location=SpdxNoAssertion(),
        files_analyzed=False,
        license_concluded=SpdxNoAssertion(),
        license_declared=SpdxNoAssertion() if expression == NOASSERTION else SPDX.parse(expression),
        copyright_text=SpdxNoAssertion(),
        external_references=[ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", package.purl)],
        checksums=[Checksum(ChecksumAlgorithm.SHA256, package.sha256)] if package.sha256 else [],
        supplier=Actor(ActorType.ORGANIZATION, package.supplier) if package.supplier else None,
        homepage=package.homepage or None,
        summary=package.summary or None,
        source_info=f"built from Debian's source package {package.source}" if package.source else None,
    )


def cyclonedx(image: Image, packages: Sequence[Package]) -> str:
    """A CycloneDX 1.6 document: https://cyclonedx.org/docs/1.6/json/."""
    root = _component(image.package, ComponentType.CONTAINER)
    contents = [_component(package, ComponentType.LIBRARY) for package in packages]
    tool = Component(name=TOOL, version=image.version, type=ComponentType.APPLICATION, bom_ref=TOOL)
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"{SOURCE}/{image.repository}/{image.digest}"),
        metadata=BomMetaData(timestamp=image.created, tools=ToolRepository(components=[tool]), component=root),
        components=contents,
    )
    bom.register_dependency(root, contents)
    return JsonV1Dot6(bom).output_as_string(indent=2)


def _component(package: Package, kind: ComponentType) -> Component:
    expression, homepage = package.licence.expression, package.homepage
    return Component(
        type=kind,
        bom_ref=package.purl,
        name=package.name,
        version=package.version,
        purl=PackageURL.from_string(package.purl),
        description=package.summary or None,
        supplier=OrganizationalEntity(name=package.supplier) if package.supplier else None,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=package.sha256)] if package.sha256 else [],
        licenses=[] if expression == NOASSERTION else [LicenseExpression(expression)],
        external_references=[ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(homepage))] if homepage else [],
    )
