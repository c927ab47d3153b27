"""`bazel run //tools:vulnerabilities`, on records as OSV has them."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tools.backends.process import ran
from tools.backends.runfiles import program
from tools.vulnerabilities import osv
from tools.vulnerabilities.osv import Component

STARLETTE: dict[str, Any] = {
    "id": "GHSA-2c2j-9gv5-cj73",
    "aliases": ["CVE-2025-54121"],
    "summary": "Starlette has possible denial-of-service vector when parsing large files in multipart forms",
    "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L"}],
    "affected": [
        {
            "package": {"name": "starlette", "ecosystem": "PyPI", "purl": "pkg:pypi/starlette"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "0.47.2"}]}],
            "versions": ["0.1.0", "0.47.1"],
        }
    ],
    "database_specific": {"severity": "MODERATE", "cwe_ids": ["CWE-770"]},
}
OPENSSL: dict[str, Any] = {
    "id": "DEBIAN-CVE-2024-5535",
    "upstream": ["CVE-2024-5535"],
    "details": "Issue summary: Calling the OpenSSL API function SSL_select_next_proto ...\nmore",
    "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:H"}],
    "affected": [
        {
            "package": {"name": "openssl", "ecosystem": "Debian:12", "purl": "pkg:deb/debian/openssl?arch=source"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.0.15-1~deb12u1"}]}],
            "ecosystem_specific": {"urgency": "not yet assigned"},
        },
        {
            "package": {"name": "openssl", "ecosystem": "Debian:13"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.3.2-1"}]}],
        },
    ],
}


WORST = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H"


def entry(ecosystem: str, name: str, *events: dict[str, str], **more: Any) -> dict[str, Any]:
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}] if events else []
    return {"package": {"ecosystem": ecosystem, "name": name}, "ranges": ranges, **more}


@pytest.mark.parametrize(
    ("record", "versions"),
    [
        (
            OPENSSL,
            {"3.0.15-1~deb12u1": False, "3.0.14-1~deb12u2": True, "3.0.15-1~deb12u1~bpo11+1": True, "1:0.1-1": False},
        ),
        (STARLETTE, {"0.47.1": True, "0.47.2": False, "0.47.2rc1": True, "0.5": True, "1!0.1": False}),
    ],
    ids=["dpkg", "PyPI"],
)
def test_versions_in_the_order_of_their_ecosystem(record: dict[str, Any], versions: dict[str, bool]) -> None:
    affected = record["affected"][0]
    package = affected["package"]
    found = {v: osv.affects(affected, Component(package["ecosystem"], package["name"], v, "p")) for v in versions}
    assert found == versions


@pytest.mark.parametrize(
    ("events", "hit"),
    [
        (
            [{"introduced": "1.0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"fixed": "2.5"}],
            {"1.0", "1.4", "2.0", "2.4"},
        ),
        ([{"fixed": "1.5"}, {"introduced": "1.4"}], {"1.4"}),  # in any order
        ([{"introduced": "1.4"}, {"last_affected": "2.0"}], {"1.4", "1.5", "2.0"}),
        ([{"introduced": "2.4"}], {"2.4", "2.5"}),
    ],
)
def test_ranges(events: list[dict[str, str]], hit: set[str]) -> None:
    versions = {"0.9", "1.0", "1.4", "1.5", "2.0", "2.4", "2.5"}
    affected = entry("PyPI", "p", *events)
    assert {v for v in versions if osv.affects(affected, Component("PyPI", "p", v, "p"))} == hit & versions


def test_versions_that_are_listed_and_names_that_are_spelt_otherwise() -> None:
    affected = entry("PyPI", "Typing.Extensions", versions=["1.0"])
    assert osv.affects(affected, Component("PyPI", "typing-extensions", "1.0", "typing_extensions"))
    assert not osv.affects(affected, Component("PyPI", "typing-extensions", "1.1", "typing_extensions"))


def test_another_release_of_debian_is_another_ecosystem() -> None:
    assert not osv.affects(OPENSSL["affected"][1], Component("Debian:12", "openssl", "3.0.1-1", "libssl3"))


def test_a_package_by_its_source() -> None:
    purl = "pkg:deb/debian/libssl3@3.0.22-1~deb12u2?arch=amd64&distro=bookworm&upstream=openssl%403.0.22-1~deb12u2"
    assert osv.component(purl) == ("Debian:12", "openssl", "3.0.22-1~deb12u2", "libssl3")
    rebuilt = "pkg:deb/debian/libbz2-1.0@1.0.8-5%2Bb1?arch=amd64&distro=bookworm&upstream=bzip2%401.0.8-5"
    assert osv.component(rebuilt) == ("Debian:12", "bzip2", "1.0.8-5", "libbz2-1.0")
    assert osv.component("pkg:deb/debian/glibc@2.36-9?distro=debian-12") == ("Debian:12", "glibc", "2.36-9", "glibc")
    assert osv.component("pkg:pypi/pyjwt@2.15.1") == ("PyPI", "pyjwt", "2.15.1", "pyjwt")
    assert osv.component("pkg:oci/redis@sha256:ab?arch=amd64") is None


@pytest.mark.parametrize(
    ("record", "affected", "level"),
    [
        (STARLETTE, {}, "medium"),
        (OPENSSL, {}, "critical"),
        ({"severity": [{"type": "CVSS_V4", "score": WORST}]}, {}, "critical"),
        ({"severity": [{"type": "CVSS_V2", "score": "AV:N/AC:M/Au:N/C:N/I:P/A:N"}]}, {}, "medium"),
        (
            {"severity": [{"type": "CVSS_V3", "score": "no vector"}], "database_specific": {"severity": "HIGH"}},
            {},
            "high",
        ),
        ({"database_specific": {"severity": "MODERATE"}}, {}, "medium"),
        ({}, {"ecosystem_specific": {"urgency": "unimportant"}}, "none"),
        ({}, {"ecosystem_specific": {"urgency": "not yet assigned"}}, "unknown"),
        ({}, {}, "unknown"),
    ],
)
def test_severity(record: dict[str, Any], affected: dict[str, Any], level: str) -> None:
    assert osv.severity(record, affected) == level


def test_what_nobody_has_rated_counts_as_the_worst() -> None:
    assert osv.rank("unknown") > osv.rank("critical") > osv.rank("high") > osv.rank("none")


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "BUILD_WORKING_DIRECTORY": str(cwd)}
    return ran(sys.executable, "-m", "tools.vulnerabilities.main", *arguments, env=env, timeout=120)


def database(folder: Path, form: str, records: list[dict[str, Any]]) -> str:
    if form == "zip":
        with zipfile.ZipFile(folder / "all.zip", "w") as archive:
            for record in records:
                archive.writestr(f"{record['id']}.json", json.dumps(record))
        return "all.zip"
    text = json.dumps(records) if form == "json" else "".join(json.dumps(r) + "\n" for r in records)
    (folder / f"all.{form}").write_text(text)
    return f"all.{form}"


def hits(ecosystem: str, name: str, identifier: str, **more: Any) -> dict[str, Any]:
    return {"id": identifier, "affected": [entry(ecosystem, name, {"introduced": "0"})], **more}


RECORDS = [
    STARLETTE,
    OPENSSL,
    hits("Debian:12", "glibc", "DEBIAN-1", database_specific={"severity": "HIGH"}),
    hits("PyPI", "redis", "PYSEC-1", aliases=["CVE-1"], summary="a | b", database_specific={"severity": "LOW"}),
    hits("PyPI", "mcp", "GHSA-1", withdrawn="2026-01-02T00:00:00Z"),
    hits("PyPI", "not-in-there", "GHSA-2"),
]


@pytest.mark.parametrize("form", ["zip", "json", "jsonl"])
def test_the_images_of_this_build(tmp_path: Path, form: str) -> None:
    done = run(f"--database={database(tmp_path, form, RECORDS)}", "--json", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    found = [(f["id"], f["severity"], f["package"], f["source"]) for f in json.loads(done.stdout)]
    assert found == [("DEBIAN-1", "high", "libc6", "glibc"), ("PYSEC-1", "low", "redis", "redis")]
    assert "1 at or above high" in done.stderr and "6 records read" in done.stderr


def test_what_fails_and_what_is_left_out(tmp_path: Path) -> None:
    name = database(tmp_path, "jsonl", RECORDS)
    shown = run(f"--database={name}", "--fail-on=never", cwd=tmp_path)
    assert shown.returncode == 0
    assert "| low | PYSEC-1 CVE-1 | redis |" in shown.stdout and "a \\| b" in shown.stdout
    assert run(f"--database={name}", "--ignore=DEBIAN-1", cwd=tmp_path).returncode == 0
    stale = run(f"--database={name}", "--ignore=DEBIAN-1", "--ignore=GHSA-1", cwd=tmp_path)
    assert "--ignore GHSA-1 is about nothing that was found" in stale.stderr and "DEBIAN-1 is" not in stale.stderr
    assert run(f"--database={name}", "--ignore=DEBIAN-1", "--fail-on=low", cwd=tmp_path).returncode == 1
    both = ("--ignore=DEBIAN-1", "--ignore=CVE-1")
    assert run(f"--database={name}", *both, "--fail-on=low", cwd=tmp_path).returncode == 0
    other = run(f"--database={name}", "--image=elasticsearch-arm64", "--json", cwd=tmp_path)
    # The images share all their wheels.
    assert [f["id"] for f in json.loads(other.stdout)] == ["DEBIAN-1", "PYSEC-1"]


def test_an_older_image_by_its_sbom(tmp_path: Path) -> None:
    sbom = json.loads(program("REDIS_SBOM_AMD64_CYCLONEDX").read_text())
    for component in sbom["components"]:
        if component["name"] == "starlette":
            component["purl"] = "pkg:pypi/starlette@0.47.1"
    (tmp_path / "old.cdx.json").write_text(json.dumps(sbom))
    name = database(tmp_path, "jsonl", [STARLETTE, OPENSSL])
    done = run(f"--database={name}", "--sbom=old.cdx.json", "--fail-on=medium", cwd=tmp_path)
    assert done.returncode == 1
    assert "| medium | GHSA-2c2j-9gv5-cj73 CVE-2025-54121 | starlette | 0.47.1 | 0.47.2 |" in done.stdout


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "can't be read"),
        ("", "no database has records of Debian:12 and PyPI"),
        (json.dumps([OPENSSL]), "no database has records of PyPI: give these exports of OSV too"),
        (json.dumps([STARLETTE, {"id": "A", "affected": ["redis"]}]), "the record A is malformed"),
        (json.dumps([hits("PyPI", "redis", "A", severity=["HIGH"])]), "the record A is malformed"),
        (
            json.dumps([{"id": "A", "affected": [entry("PyPI", "redis", {"introduced": "x"})]}]),
            "A is malformed: InvalidVersion",
        ),
        ("not json\n", "line 1 is no JSON"),
        ('{"id": "A", "affected": []}\n{"name": 1}\n', "line 2 is no record of OSV: it has no id"),
    ],
)
def test_a_database_that_is_none(tmp_path: Path, content: str | None, told: str) -> None:
    if content is not None:
        (tmp_path / "db").write_text(content)
    done = run("--database=db", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_sbom_without_a_package(tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text('{"components": [{"name": "app"}]}')
    done = run(f"--database={database(tmp_path, 'jsonl', RECORDS)}", "--sbom=none.json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "") and "list no package of Debian or PyPI" in done.stderr
