"""bazel run //tools:vulnerabilities -- --database osv.zip: what an export of OSV knows of the images' packages, offline."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tools.backends.runfiles import enter_working_directory, program
from tools.vulnerabilities import osv

IMAGES = tuple(f"{image}-{arch}" for image in ("redis", "elasticsearch") for arch in ("amd64", "arm64"))


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="vulnerabilities",
        description="Reports known vulnerabilities of what the images hold, from a database file; nothing is sent anywhere.",
        epilog="Exit code: 0 nothing at or above --fail-on, 1 something, 2 the report can't be made.",
    )
    parser.add_argument(
        "--database",
        type=Path,
        action="append",
        required=True,
        help="an export of OSV: all.zip of an ecosystem, a JSON array, or a record a line; give it again for another",
    )
    parser.add_argument("--image", choices=IMAGES, action="append", help="default: all")
    parser.add_argument("--sbom", type=Path, action="append", help="CycloneDX files to look at in place of our images'")
    parser.add_argument(
        "--fail-on",
        choices=[*osv.LEVELS[2:], "never"],
        default="high",
        help="default: high; unknown counts as critical",
    )
    parser.add_argument("--ignore", action="append", default=[], metavar="ID", help="an id or alias that was looked into")
    parser.add_argument("--json", action="store_true", help="a JSON array in place of the table")
    return parser.parse_args(arguments)


def components(sboms: list[Path]) -> list[osv.Component]:
    found: dict[osv.Component, None] = {}
    for sbom in sboms:
        try:
            for entry in json.loads(sbom.read_text())["components"]:
                if each := osv.component(entry.get("purl") or "pkg:generic/unnamed"):
                    found[each] = None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise osv.DatabaseError(f"{sbom} is no CycloneDX document: {error}") from None
    return list(found)


def as_json(finding: osv.Finding) -> dict[str, Any]:
    found = finding._asdict()
    component: osv.Component = found.pop("component")
    return found | component._asdict()


def table(findings: list[osv.Finding]) -> str:
    rows = ["| severity | id | package | version | fixed in | what |", "|---|---|---|---|---|---|"]
    for f in findings:
        ids = " ".join((f.id, *f.aliases))
        text = " ".join(f.summary.split()).replace("|", "\\|")
        text = text if len(text) <= 100 else text[:99] + "…"
        rows.append(
            f"| {f.severity} | {ids} | {f.component.package} | {f.component.version} | {', '.join(f.fixed) or '-'} | {text} |"
        )
    return "\n".join(rows)


def main() -> None:
    given = parse()
    enter_working_directory()
    try:
        names = given.image or IMAGES
        wanted = components(given.sbom or [program(f"{n.replace('-', '_SBOM_')}_CYCLONEDX".upper()) for n in names])
        count = 0

        def counted() -> Any:
            nonlocal count
            for database in given.database:
                for record in osv.records(database):
                    count += 1
                    yield record

        if not wanted:
            raise osv.DatabaseError("the SBOMs list no package of Debian or PyPI")
        findings = osv.findings(counted(), wanted)
    except osv.DatabaseError as error:
        print(f"vulnerabilities: {error}", file=sys.stderr)
        sys.exit(2)
    ignored = [f for f in findings if {f.id, *f.aliases} & set(given.ignore)]
    findings = [f for f in findings if f not in ignored]
    for each in set(given.ignore).difference(*({f.id, *f.aliases} for f in ignored)):
        print(f"vulnerabilities: --ignore {each} is about nothing that was found", file=sys.stderr)
    bad = [] if given.fail_on == "never" else [f for f in findings if osv.rank(f.severity) >= osv.rank(given.fail_on)]
    if given.json:
        print(json.dumps([as_json(f) for f in findings], indent=2))
    elif findings:
        print(table(findings))
    print(
        f"vulnerabilities: {len(findings)} known of {len(wanted)} packages, {len(bad)} at or above {given.fail_on}, "
        f"{len(ignored)} ignored; {count} records read",
        file=sys.stderr,
    )
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
