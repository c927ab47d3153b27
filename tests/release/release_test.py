"""`bazel run //tools:release` against a real registry: what is there afterwards, again, and what stops it."""

import hashlib
import json
import os
import tarfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.release.conftest import PASSWORD, USERNAME, VERSION, DockerRegistry, get, release
from tools.backends.process import free_port, ran
from tools.backends.runfiles import program
from tools.release import notes, oci
from tools.release.errors import ReleaseError
from tools.release.registry import Registry, credentials
from tools.release.tree import Tree, check_version, stamp

IMAGES = ("elasticsearch", "redis")


def document(registry: DockerRegistry, path: str) -> dict[str, Any]:
    return dict(json.loads(get(registry, path)))


def referrers(registry: DockerRegistry, repository: str, digest: str) -> dict[str, dict[str, Any]]:
    """Manifests that refer to a digest by the file that each has. This registry has no referrers API: OCI 1.1's tag does it."""
    with pytest.raises(urllib.error.HTTPError):
        get(registry, f"{repository}/referrers/{digest}")
    index = document(registry, f"{repository}/manifests/{digest.replace(':', '-')}")
    found = {}
    for entry in index["manifests"]:
        manifest = document(registry, f"{repository}/manifests/{entry['digest']}")
        assert manifest["subject"]["digest"] == digest
        assert entry["artifactType"] == manifest["artifactType"]
        found[manifest["layers"][0]["annotations"]["org.opencontainers.image.title"]] = manifest
    assert len(found) == len(index["manifests"])
    return found


def test_all_of_it_is_there_and_a_second_run_changes_nothing(tree: Tree, registry: DockerRegistry, tmp_path: Path) -> None:
    artifacts = program("ARTIFACTS")
    done = release(tree, registry.name)
    assert done.returncode == 0, done.stderr
    dist = tree.folder / "dist" / VERSION

    for image in IMAGES:
        repository = f"mcp/{image}"
        raw = get(registry, f"{repository}/manifests/{VERSION}")
        digest = "sha256:" + hashlib.sha256(raw).hexdigest()
        assert digest == oci.top(artifacts / "images" / image).digest, "pushed as it was built"
        platforms = {m["platform"]["architecture"]: m["digest"] for m in json.loads(raw)["manifests"]}
        assert set(platforms) == {"amd64", "arm64"}
        for architecture, manifest in platforms.items():
            layers = document(registry, f"{repository}/manifests/{manifest}")["layers"]
            assert len(layers) >= 4
            for layer in layers:
                sha256 = hashlib.sha256(get(registry, f"{repository}/blobs/{layer['digest']}")).hexdigest()
                assert layer["digest"] == f"sha256:{sha256}"
            sboms = referrers(registry, repository, manifest)
            assert {name: m["artifactType"] for name, m in sboms.items()} == {
                f"{image}-{architecture}.spdx.json": "application/spdx+json",
                f"{image}-{architecture}.cdx.json": "application/vnd.cyclonedx+json",
            }
            for name, artifact in sboms.items():
                data = get(registry, f"{repository}/blobs/{artifact['layers'][0]['digest']}")
                assert data == (artifacts / name).read_bytes() == (dist / name).read_bytes()
                assert manifest.removeprefix("sha256:") in data.decode(), "it is about this very image"
        (provenance,) = referrers(registry, repository, digest).values()
        assert provenance["artifactType"] == "application/vnd.in-toto+json"
        statement = json.loads(get(registry, f"{repository}/blobs/{provenance['layers'][0]['digest']}"))
        assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
        assert {s["digest"]["sha256"] for s in statement["subject"]} == {d[7:] for d in (digest, *platforms.values())}
        build = statement["predicate"]["buildDefinition"]
        assert build["externalParameters"]["source"]["digest"]["gitCommit"] == tree.commit
        assert build["externalParameters"]["version"] == VERSION
        uris = [dependency["uri"] for dependency in build["resolvedDependencies"]]
        assert any(uri.startswith("pkg:deb/debian/libc6@") and "arch=arm64" in uri for uri in uris)
        assert any(uri.startswith("pkg:pypi/mcp@") for uri in uris)

    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    chart = f"oci://{registry.name}/charts/dox-asdlc"
    words = ["--version", VERSION, "--plain-http", "--destination", str(tmp_path)]
    ran(program("HELM"), "pull", chart, *words, env=env, check=True)
    package = tmp_path / f"dox-asdlc-{VERSION}.tgz"
    assert package.read_bytes() == (dist / package.name).read_bytes()
    settings = [
        "redis.mcpSidecar.enabled=true", "elasticsearch.mcpSidecar.enabled=true",
        "mcpServers.cache.store.kind=redis", "mcpServers.cache.store.host=r",
    ]  # fmt: skip
    rendered = ran(program("HELM"), "template", package, "--set", ",".join(settings), env=env, check=True).stdout
    for image, count in (("redis", 3), ("elasticsearch", 1)):  # the pod of helm test has the first
        digest = oci.top(artifacts / "images" / image).digest
        assert rendered.count(f'image: "{registry.name}/mcp/{image}@{digest}"') == count, "what it installs can be pulled"
    settings += ["redis.mcpSidecar.image.tag=1.2.3", "mcpServers.cache.server.image.tag=1.2.3"]
    rendered = ran(program("HELM"), "template", package, "--set", ",".join(settings), env=env, check=True).stdout
    assert rendered.count(f'image: "{registry.name}/mcp/redis:1.2.3"') == 3, "a tag takes the place of the release's digest"
    with tarfile.open(package) as archive:
        file = archive.extractfile("dox-asdlc/Chart.yaml")
        assert file
        parsed = yaml.safe_load(file.read())
    assert (parsed["version"], parsed["appVersion"]) == (VERSION, VERSION)

    before, files = registry.content(), {f.name: f.read_bytes() for f in dist.iterdir()}
    assert len(files) == 4 * len(IMAGES) + len(IMAGES) + 2 + 3, "SBOMs, provenance, chart and its, notes, digests, checksums"
    for line in files["SHA256SUMS"].decode().splitlines():
        sha256, name = line.split("  ")
        assert hashlib.sha256(files[name]).hexdigest() == sha256
    assert "- First" in files["release-notes.md"].decode()

    again = release(tree, registry.name)
    assert again.returncode == 0, again.stderr
    assert "nothing to push" in again.stdout
    assert registry.content() == before
    assert {f.name: f.read_bytes() for f in dist.iterdir()} == files

    latest = release(tree, registry.name, "--latest", "--output=out", env={"BUILD_WORKING_DIRECTORY": str(tmp_path)})
    assert latest.returncode == 0, latest.stderr
    assert {f.name: f.read_bytes() for f in (tmp_path / "out").iterdir()} == files
    assert f"{len(IMAGES)} things pushed" in latest.stdout
    assert get(registry, "mcp/redis/manifests/latest") == get(registry, f"mcp/redis/manifests/{VERSION}")


def test_a_tag_that_is_another_thing_is_refused_before_anything_is_pushed(tree: Tree, registry: DockerRegistry) -> None:
    layout = program("ARTIFACTS") / "images/elasticsearch"
    ran(program("CRANE"), "push", layout.resolve(), f"{registry.name}/mcp/redis:{VERSION}", check=True)
    before = registry.content()
    for arguments in ((), ("--dry-run",)):
        done = release(tree, registry.name, *arguments)
        assert done.returncode == 1
        assert done.stderr.startswith(f"release: {registry.name}/mcp/redis:{VERSION} is there as {oci.top(layout).digest}")
        assert len(done.stderr.splitlines()) == 1
    assert registry.content() == before
    assert not (tree.folder / "dist").exists()


def test_a_chart_that_is_another_thing_is_refused(tree: Tree, registry: DockerRegistry, tmp_path: Path) -> None:
    (tmp_path / "dox-asdlc").mkdir()
    (tmp_path / "dox-asdlc/Chart.yaml").write_text(f"apiVersion: v2\nname: dox-asdlc\nversion: {VERSION}\n")
    helm, env = program("HELM"), {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    ran(helm, "package", tmp_path / "dox-asdlc", "--destination", tmp_path, env=env, check=True)
    package = tmp_path / f"dox-asdlc-{VERSION}.tgz"
    ran(helm, "push", package, f"oci://{registry.name}/charts", "--plain-http", env=env, check=True)
    done = release(tree, registry.name)
    assert done.returncode == 1
    assert done.stderr.startswith(f"release: {registry.name}/charts/dox-asdlc:{VERSION} is there as sha256:")


def test_a_dry_run_pushes_nothing(tree: Tree, registry: DockerRegistry) -> None:
    done = release(tree, registry.name, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{VERSION} of {tree.commit} can be pushed to {registry.name}\n"
    assert registry.content() == {}


def test_a_login_by_environment_never_on_a_command_line(tree: Tree, locked_registry: DockerRegistry, tmp_path: Path) -> None:
    name = locked_registry.name
    refused = release(tree, name)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"release: {name} does not let us in: log in with docker or podman")
    assert len(refused.stderr.splitlines()) == 1
    wrong = release(tree, name, env={"REGISTRY_USERNAME": USERNAME, "REGISTRY_PASSWORD": "wrong"})
    assert wrong.returncode == 1 and "does not let us in" in wrong.stderr
    half = release(tree, name, env={"REGISTRY_USERNAME": USERNAME})
    assert half.stderr == "release: set both REGISTRY_USERNAME and REGISTRY_PASSWORD, or neither\n"

    log = tmp_path / "commands"
    env = {"REGISTRY_USERNAME": USERNAME, "REGISTRY_PASSWORD": PASSWORD}
    for variable in ("CRANE", "HELM"):
        # Between us and the real program, to see what it is started with.
        spy = tmp_path / variable.lower()
        spy.write_text(f'#!/bin/sh\necho "$@" >>"{log}"; env >>"{log}"\nexec "{program(variable).absolute()}" "$@"\n')
        spy.chmod(0o755)
        env[variable] = str(spy)
    done = release(tree, name, env=env)
    assert done.returncode == 0, done.stderr
    told = log.read_text()
    assert "push" in told and "oci://" in told
    assert PASSWORD not in told and PASSWORD not in done.stdout + done.stderr

    config = tmp_path / "docker"
    config.mkdir()
    auth = "cmVsZWFzZTpub3QtYS1zZWNyZXQ="  # base64 of USERNAME:PASSWORD
    (config / "config.json").write_text(json.dumps({"auths": {name: {"auth": auth}}}))
    again = release(tree, name, env={"DOCKER_CONFIG": str(config)})
    assert again.returncode == 0, again.stderr
    assert "nothing to push" in again.stdout


def test_the_file_with_the_login_is_ours_alone_and_goes() -> None:
    with credentials("r.example/team", {"REGISTRY_USERNAME": "u", "REGISTRY_PASSWORD": "p", "PATH": "/bin"}) as env:
        assert "REGISTRY_PASSWORD" not in env
        config = Path(env["DOCKER_CONFIG"], "config.json")
        assert config.stat().st_mode & 0o777 == 0o600
        assert json.loads(config.read_text()) == {"auths": {"r.example": {"auth": "dTpw"}}}
    assert not config.exists()


@pytest.mark.parametrize("version", ["v1.2.3", "1.2", "latest", "1.2.3+build", "01.2.3", "1.2.3-"])
def test_a_version_that_is_none(tree: Tree, version: str) -> None:
    done = release(tree, "127.0.0.1:1", f"--version={version}")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith(f"release: --version is '{version}': give a semantic version such as 1.2.3")


@pytest.mark.parametrize("version", ["1.2.3", "0.1.0-rc.1", "10.20.30-alpha-1.x"])
def test_a_version(version: str) -> None:
    check_version(version)


def test_a_tree_that_is_not_clean(tree: Tree) -> None:
    (tree.folder / "new.txt").touch()
    (tree.folder / ".bazelversion").write_text("8.0.0\n")
    done = release(tree, "127.0.0.1:1")
    assert done.returncode == 1
    assert done.stderr == "release: the tree is not clean: commit or remove .bazelversion, new.txt\n"


def test_no_checkout(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="is no git checkout"):
        Tree(tmp_path)


def test_a_registry_that_is_away(tree: Tree) -> None:
    port = free_port()
    done = release(tree, f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert done.stderr == f"release: 127.0.0.1:{port} can't be reached: connect: connection refused\n"


@pytest.mark.parametrize("name", ["https://r.example", "r.example/Team", "team", "r.example/", ""])
def test_a_registry_that_is_none(name: str) -> None:
    with pytest.raises(ReleaseError, match="give a host and perhaps a path"):
        Registry(name, Path("crane"), Path("helm"), False, {})


def test_the_clean_checkout_has_what_is_committed_and_its_own_version(tree: Tree, tmp_path: Path) -> None:
    (tree.folder / "dist").mkdir()
    (tree.folder / "dist/ignored").touch()
    clean = tree.clone(tmp_path / "clean")
    assert clean.commit == tree.commit
    assert not (clean.folder / "dist").exists()
    stamp(clean.folder, "2.0.0-rc.1")
    assert 'VERSION = "2.0.0-rc.1"\n' in (clean.folder / "bazel/version.bzl").read_text()
    assert (clean.folder / "servers/common/__init__.py").read_text() == 'VERSION = "2.0.0-rc.1"\n'
    assert "0.0.1" in (tree.folder / "bazel/version.bzl").read_text()


def test_changes_come_from_the_changelog(tree: Tree) -> None:
    text = "# Changelog\n\n## [Unreleased]\n\n- soon\n\n## [0.1.0] - 2026-01-01\n\n### Added\n\n- this\n\n[0.1.0]: x\n"
    (tree.folder / "CHANGELOG.md").write_text(text)
    assert notes.changes(tree, "0.1.0") == "### Added\n\n- this"
    assert notes.changes(tree, "0.2.0") == "- soon"
    (tree.folder / "CHANGELOG.md").write_text(text.replace("- soon", ""))
    with pytest.raises(ReleaseError, match="says nothing of 0"):
        notes.changes(tree, "0.2.0")
