"""Records of the OSV schema (https://ossf.github.io/osv-schema/) and whether they affect a package of an SBOM."""

import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cvss import CVSS2, CVSS3, CVSS4
from cvss.exceptions import CVSSError
from debian.debian_support import NativeVersion
from packageurl import PackageURL
from packaging.utils import canonicalize_name
from packaging.version import Version

LEVELS = ("unknown", "none", "low", "medium", "high", "critical")
"""Severities in order. A record without any is `unknown`, and counts as the worst: nobody has said that it is harmless."""

_DEBIAN_URGENCY = {"unimportant": "none", "end-of-life": "none", "not yet assigned": "unknown", "low": "low"}
_SUITES = {"bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14"}


class DatabaseError(Exception):
    """A database that can't be read; the message says which file and where."""


class Component(NamedTuple):
    """A package as OSV names it."""

    ecosystem: str  # Debian:12 or PyPI
    source: str  # name of Debian's source package, or the normalised name on PyPI
    version: str
    package: str  # the package in the image


class Finding(NamedTuple):
    """A vulnerability of a component."""

    id: str
    aliases: tuple[str, ...]
    severity: str  # of LEVELS
    component: Component
    fixed: tuple[str, ...]  # versions that have it no more
    summary: str


def component(purl: str) -> Component | None:
    """Return what OSV calls a package; None for what is in no ecosystem of the images' (the image itself, our code)."""
    parsed = PackageURL.from_string(purl)
    version = parsed.version or ""
    if parsed.type == "pypi":
        return Component("PyPI", canonicalize_name(parsed.name), version, parsed.name)
    if parsed.type == "deb":
        qualifiers = parsed.qualifiers if isinstance(parsed.qualifiers, dict) else {}
        source, _, source_version = str(qualifiers.get("upstream", parsed.name)).partition("@")
        distro = str(qualifiers.get("distro", ""))
        release = _SUITES.get(distro, distro.removeprefix("debian-"))
        return Component(f"Debian:{release}", source, source_version or version, parsed.name)
    return None


def records(database: Path) -> Iterator[dict[str, Any]]:
    """Return the records of an export: a .zip of JSON files, a JSON array or object, or a record a line. Else DatabaseError."""
    try:
        if zipfile.is_zipfile(database):
            with zipfile.ZipFile(database) as archive:
                for name in sorted(archive.namelist()):
                    if name.endswith(".json"):
                        yield _record(archive.read(name), f"{database}: {name}")
            return
        with database.open("rb") as file:
            start = file.read(1)
            file.seek(0)
            if start == b"[":
                for number, entry in enumerate(json.load(file)):
                    yield _checked(entry, f"{database}: record {number + 1}")
                return
            for number, line in enumerate(file):
                if line.strip():
                    yield _record(line, f"{database}: line {number + 1}")
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise DatabaseError(f"{database} can't be read: {error}") from None


def _record(data: bytes, where: str) -> dict[str, Any]:
    try:
        return _checked(json.loads(data), where)
    except ValueError as error:
        raise DatabaseError(f"{where} is no JSON: {error}") from None


def _checked(record: Any, where: str) -> dict[str, Any]:
    if not isinstance(record, dict) or not isinstance(record.get("id"), str):
        raise DatabaseError(f"{where} is no record of OSV: it has no id")
    return record


def _order(ecosystem: str, version: str) -> Any:
    """Return what versions of an ecosystem are compared by; "0" is before all of them."""
    if ecosystem == "PyPI":
        return Version("0.dev0") if version == "0" else Version(version)
    return NativeVersion(version)


def _in_range(events: list[dict[str, str]], ecosystem: str, version: str) -> bool:
    """The evaluation algorithm of the schema, for ranges of type ECOSYSTEM."""
    ours = _order(ecosystem, version)
    affected = False

    def place(event: dict[str, str]) -> tuple[Any, int]:
        # At one version, what introduces comes before what ends.
        (kind, at), *_ = ((k, v) for k, v in event.items() if k != "limit")
        return _order(ecosystem, at), 0 if kind == "introduced" else 1

    for event in sorted((e for e in events if set(e) - {"limit"}), key=place):
        if "introduced" in event:
            if event["introduced"] == "0" or ours >= _order(ecosystem, event["introduced"]):
                affected = True
        elif "fixed" in event:
            if ours >= _order(ecosystem, event["fixed"]):
                affected = False
        elif "last_affected" in event and ours > _order(ecosystem, event["last_affected"]):
            affected = False
    return affected


def _package(affected: dict[str, Any]) -> tuple[str, str]:
    """Return ecosystem and name of the package that an entry of `affected` is about, as a Component has them."""
    package = affected.get("package") or {}
    ecosystem, name = str(package.get("ecosystem", "")), str(package.get("name", ""))
    return ecosystem, canonicalize_name(name) if ecosystem == "PyPI" else name


def affects(affected: dict[str, Any], wanted: Component) -> bool:
    """Return whether an entry of `affected` is about a version of a component, or raise ValueError for a malformed version."""
    if _package(affected) != (wanted.ecosystem, wanted.source):
        return False
    if wanted.version in (affected.get("versions") or []):
        return True
    return any(
        _in_range(r.get("events") or [], wanted.ecosystem, wanted.version)
        for r in affected.get("ranges") or []
        if r.get("type") == "ECOSYSTEM"
    )


def severity(record: dict[str, Any], affected: dict[str, Any]) -> str:
    """The worst severity that a record tells: by CVSS, else in words (GitHub's, Debian's urgency)."""
    scores = []
    for entry in [*(affected.get("severity") or []), *(record.get("severity") or [])]:
        kind = {"CVSS_V2": CVSS2, "CVSS_V3": CVSS3, "CVSS_V4": CVSS4}.get(entry.get("type"))
        if kind:
            try:
                scores.append(float(kind(entry["score"]).scores()[0]))
            except (CVSSError, KeyError, ValueError):
                pass
    if scores:
        score = max(scores)
        bounds = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"))
        return next((level for bound, level in bounds if score >= bound), "none")
    for holder in (affected.get("ecosystem_specific") or {}, record.get("database_specific") or {}):
        word = str(holder.get("severity") or holder.get("urgency") or "").lower()
        word = {"moderate": "medium", **_DEBIAN_URGENCY}.get(word, word)
        if word in LEVELS:
            return word
    return "unknown"


def _fixed(affected: dict[str, Any]) -> tuple[str, ...]:
    events = (e for r in affected.get("ranges") or [] if r.get("type") == "ECOSYSTEM" for e in r["events"])
    return tuple(dict.fromkeys(e["fixed"] for e in events if "fixed" in e))


def findings(database: Iterable[dict[str, Any]], components: Sequence[Component]) -> list[Finding]:
    """Return what a database knows of components, the worst first, without withdrawn records. DatabaseError: it has a malformed
    record, or none at all of an ecosystem of the components, so that nothing can be said of these."""
    by_package: dict[tuple[str, str], list[Component]] = {}
    for each in components:
        by_package.setdefault((each.ecosystem, each.source), []).append(each)
    unseen = {each.ecosystem for each in components}
    found: dict[tuple[str, Component], Finding] = {}
    for record in database:
        try:
            for affected in record.get("affected") or []:
                package = _package(affected)
                unseen.discard(package[0])
                for wanted in by_package.get(package, []):
                    if not record.get("withdrawn") and affects(affected, wanted):
                        aliases = tuple(sorted({*(record.get("aliases") or []), *(record.get("upstream") or [])}))
                        text = record.get("summary") or str(record.get("details", "")).strip().partition("\n")[0]
                        found[record["id"], wanted] = Finding(
                            record["id"], aliases, severity(record, affected), wanted, _fixed(affected), text
                        )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DatabaseError(f"the record {record['id']} is malformed: {error!r}") from None
    if unseen:
        raise DatabaseError(f"no database has records of {' and '.join(sorted(unseen))}: give these exports of OSV too")
    return sorted(found.values(), key=lambda f: (-rank(f.severity), f.component.package, f.id))


def rank(level: str) -> int:
    """A severity as a number to compare by; unknown is the worst."""
    return LEVELS.index(level) or len(LEVELS)
