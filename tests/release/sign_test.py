"""`bazel run //servers/redis:sign`, with a real cosign where one is given (COSIGN, or on PATH), against a real registry."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.release.conftest import VERSION, DockerRegistry, get, release
from tools.backends.process import ran
from tools.backends.runfiles import program
from tools.release import oci
from tools.release.tree import Tree

COSIGN = os.environ.get("COSIGN") or shutil.which("cosign")


def sign(registry: str, *arguments: str, path: str, **env: str) -> subprocess.CompletedProcess[str]:
    words = [f"--repository={registry}/mcp/redis", "--plain-http", *arguments]
    return ran(program("SIGN"), *words, env={**os.environ, **env, "PATH": path}, timeout=300)


def test_without_cosign_one_line_says_so(tmp_path: Path) -> None:
    for name in ("sh", "bash", "env", "readlink", "dirname", "python3"):
        if found := shutil.which(name):
            (tmp_path / name).symlink_to(found)
    done = sign("127.0.0.1:1", "--key=k", path=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("sign: cosign is not on PATH: install it")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not COSIGN, reason="no cosign here: give one by --test_env=COSIGN=PATH")
def test_a_signature_and_an_attestation_that_cosign_and_cryptography_verify(
    tree: Tree, registry: DockerRegistry, tmp_path: Path
) -> None:
    assert COSIGN
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/cosign").symlink_to(COSIGN)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    env = {**os.environ, "COSIGN_PASSWORD": "not-a-secret", "HOME": str(tmp_path)}
    subprocess.run([COSIGN, "generate-key-pair"], cwd=tmp_path, env=env, check=True, capture_output=True)
    key, public = tmp_path / "cosign.key", tmp_path / "cosign.pub"

    before = sign(registry.name, f"--key={key}", path=path, COSIGN_PASSWORD="not-a-secret", HOME=str(tmp_path))
    assert before.returncode == 1 and "was the image pushed?" in before.stderr

    done = release(tree, registry.name)
    assert done.returncode == 0, done.stderr
    dist = tree.folder / "dist" / VERSION
    other = sign(registry.name, f"--key={key}", f"--provenance={dist / 'elasticsearch.provenance.json'}", path=path)
    assert other.returncode == 1 and "is about another image" in other.stderr
    done = sign(
        registry.name,
        "--key=cosign.key",
        f"--provenance={dist / 'redis.provenance.json'}",
        path=path,
        BUILD_WORKING_DIRECTORY=str(tmp_path),
        COSIGN_PASSWORD="not-a-secret",
        HOME=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    digest = oci.top(program("INDEX")).digest
    assert f"signed {registry.name}/mcp/redis@{digest}" in done.stdout

    verify = ["--key", str(public), "--insecure-ignore-tlog=true", "--allow-http-registry"]
    platforms = [platform.digest for platform in oci.images(program("INDEX"))]
    for wanted in (digest, *platforms):
        reference = f"{registry.name}/mcp/redis@{wanted}"
        checked = ran(COSIGN, "verify", *verify, reference, env=env)
        assert checked.returncode == 0, checked.stderr
        assert json.loads(checked.stdout)[0]["critical"]["image"]["docker-manifest-digest"] == wanted
    wanted = f"{registry.name}/mcp/redis@{digest}"
    attested = ran(COSIGN, "verify-attestation", "--type=slsaprovenance1", *verify, wanted, env=env)
    assert attested.returncode == 0, attested.stderr
    statement = json.loads(base64.b64decode(json.loads(attested.stdout.splitlines()[-1])["payload"]))
    assert statement["predicate"]["buildDefinition"]["externalParameters"]["source"]["digest"]["gitCommit"] == tree.commit

    # The same without cosign: the simple signing payload, signed by ECDSA over P-256 with SHA-256.
    (layer,) = json.loads(get(registry, f"mcp/redis/manifests/{digest.replace(':', '-')}.sig"))["layers"]
    payload = get(registry, f"mcp/redis/blobs/{layer['digest']}")
    signature = base64.b64decode(layer["annotations"]["dev.cosignproject.cosign/signature"])
    loaded = serialization.load_pem_public_key(public.read_bytes())
    assert isinstance(loaded, ec.EllipticCurvePublicKey)
    loaded.verify(signature, payload, ec.ECDSA(hashes.SHA256()))
    assert json.loads(payload)["critical"]["image"]["docker-manifest-digest"] == digest
