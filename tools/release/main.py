"""bazel run //tools:release -- --version X --registry R: builds a commit in a clean checkout, stamps and pushes it."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tools.backends.runfiles import enter_working_directory, program
from tools.release import build, notes, provenance
from tools.release.errors import ReleaseError
from tools.release.publish import Sources, check_tags, publish
from tools.release.registry import Registry, credentials
from tools.release.tree import Tree, check_version, stamp


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="release",
        description="Builds the checked-out commit in a clean checkout, pushes images, SBOMs, provenance and chart.",
        epilog="Logins are docker's own (DOCKER_CONFIG), or REGISTRY_USERNAME and REGISTRY_PASSWORD in the environment.",
    )
    parser.add_argument("--version", required=True, help="semantic version, such as 1.2.3")
    parser.add_argument("--registry", required=True, help="host and path to push to, such as registry.example/team")
    parser.add_argument("--latest", action="store_true", help="tag the images latest as well")
    parser.add_argument("--plain-http", action="store_true", help="speak HTTP without TLS to the registry")
    parser.add_argument("--dry-run", action="store_true", help="build, look at the registry's tags, and push nothing")
    parser.add_argument("--output", type=Path, help="folder of notes, checksums, SBOMs, chart; default: dist/VERSION")
    parser.add_argument("--artifacts", type=Path, help=argparse.SUPPRESS)  # built before: for tests
    return parser.parse_args(arguments)


def release(given: argparse.Namespace, workspace: Path) -> None:
    check_version(given.version)
    with credentials(given.registry, os.environ) as env, tempfile.TemporaryDirectory(prefix="release.") as temporary:
        registry = Registry(given.registry, program("CRANE"), program("HELM"), given.plain_http, env)
        tree = Tree(workspace)
        tree.check_clean()
        notes.changes(tree, given.version)  # before anything is pushed: are there any?
        # Before the build, which takes a while: is the registry there, and does it let us in?
        registry.digest(f"mcp/redis:{given.version}")
        clean = tree.clone(Path(temporary, "tree"))
        stamp(clean.folder, given.version)
        if given.artifacts:
            _publish(given, workspace, registry, tree, clean, given.artifacts)
            return
        print(f"building {provenance.TARGET} of {tree.commit[:12]} as {given.version}", file=sys.stderr)
        try:
            build.bazel(clean.folder, ["build", provenance.TARGET])
            _publish(given, workspace, registry, tree, clean, build.output(clean.folder, provenance.TARGET))
        finally:
            build.bazel(clean.folder, ["clean", "--expunge"])


def _publish(given: argparse.Namespace, workspace: Path, registry: Registry, tree: Tree, clean: Tree, artifacts: Path) -> None:
    if given.dry_run:
        check_tags(artifacts, registry, given.version)
        print(f"{given.version} of {tree.commit} can be pushed to {registry.name}")
        return
    sources = Sources(clean.folder, tree.commit, given.version)
    tags = [given.version] + (["latest"] if given.latest else [])
    published = publish(artifacts, registry, sources, tags)
    folder = given.output or workspace / "dist" / given.version
    notes.write(folder, tree, given.version, registry.name, published)
    told = f"{published.pushed} things pushed" if published.pushed else "nothing to push, all of it is there"
    print(f"{given.version}: {told}; notes and checksums are in {folder}")


def main() -> None:
    enter_working_directory()
    given = parse()
    try:
        release(given, Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", ".")))
    except ReleaseError as error:
        sys.exit(f"release: {error}")
    except KeyboardInterrupt:
        sys.exit("release: interrupted; run it again to go on")


if __name__ == "__main__":
    main()
