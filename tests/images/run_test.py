"""What the images hold runs from their own files. That they serve a real store is in //tests/contract."""

import json
import os
import subprocess
import sys

import pytest

from tests.images.conftest import Unpacked
from tools.backends.process import ran
from tools.images.container import UID, can_isolate, command_line, python


def inside(server: Unpacked, code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs Python code with the image's interpreter in the image's root."""
    return python(server.image, server.root, code, *options)


def test_it_runs_as_uid_1000_on_a_root_that_can_not_be_written(server: Unpacked) -> None:
    if not can_isolate():
        pytest.skip("this machine has no bubblewrap, or does not let it make namespaces")
    code = """
import json, os, pwd
failed = []
for path in ("/x", "/usr/x", "/etc/x", "/usr/lib/python3.11/x"):
    try: open(path, "w")
    except OSError as error: failed.append(error.errno)
open("/tmp/x", "w").write("x")
user = pwd.getpwuid(os.getuid()).pw_name
print(json.dumps({"uid": os.getuid(), "gid": os.getgid(), "failed": failed, "user": user}))
"""
    done = inside(server, code)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"uid": UID, "gid": UID, "failed": [30, 30, 30, 30], "user": "mcp"}  # 30: EROFS


OPTIONAL = {
    "aiohttp", "django", "gunicorn", "h2", "httptools", "itsdangerous", "js", "OpenSSL", "pygments", "requests", "socks",
    "socksio", "trio", "twisted", "uvloop", "watchfiles", "websockets", "wsproto", "zttp", "zuvloop",
}  # fmt: skip
"""Libraries that parts of the wheels could use, and the images do not have."""


def test_every_module_of_the_image_can_be_imported(server: Unpacked) -> None:
    """Nothing misses its source, a docstring or a module that was left out; no part is there that nothing could import."""
    code = """
import os, sys
from servers.common import lazy_imports
# Only these can't run: the images leave out what they import.
lazy_imports.PACKAGES = {"mcp": {}, "mcp.server": {}}
lazy_imports.enable(metrics=True)
import importlib

def names(folder, prefix=""):
    for name in sorted(os.listdir(folder)):
        stem, _, kind = name.partition(".")
        if os.path.isdir(os.path.join(folder, name)) and name.isidentifier() and name != "__pycache__":
            yield prefix + name
            yield from names(os.path.join(folder, name), prefix + name + ".")
        elif (kind in ("py", "pyc") or kind.endswith("so")) and stem not in ("__init__", "__main__"):
            yield prefix + stem

tried = 0
stdlib = os.path.dirname(os.__file__)
for folder in (stdlib, stdlib + "/lib-dynload", next(p for p in sys.path if p.endswith("dist-packages"))):
    for name in names(folder):
        tried += 1
        try: importlib.import_module(name)
        except ModuleNotFoundError as error: print("missing", error.name, name)
        except BaseException as error: print(name, repr(error))
print("tried", tried)
"""
    done = inside(server, code)
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert [line for line in lines if line.split()[0] != "missing" or line.split()[1] not in OPTIONAL] == []
    assert int(last.removeprefix("tried ")) > 1000


def test_tools_are_listed_as_their_sources_say(server: Unpacked) -> None:
    """Byte for byte: descriptions are docstrings of ours, and schemas could have some of a library's."""
    code = f"""
from servers.common import lazy_imports
lazy_imports.enable(metrics=False)
import json
from servers.{server.name}.server import SIDECAR
print(json.dumps([t.definition.model_dump(by_alias=True, exclude_none=True, mode="json") for t in SIDECAR.tools]))
"""
    done = inside(server, code)
    from_sources = ran(sys.executable, "-c", code, check=True)
    assert len(done.stdout) > 10_000, done.stderr
    assert done.stdout == from_sources.stdout


def test_it_ends_when_told_while_it_still_starts(server: Unpacked) -> None:
    """The signal comes when the imports begin, which a container at its CPU limit is at for seconds."""
    code = f"""
import os, runpy, signal, sys

class Tell:
    def find_spec(self, name, path=None, target=None):
        if name == "servers.{server.name}.server":
            os.kill(os.getpid(), signal.SIGTERM)

sys.meta_path.insert(0, Tell())
runpy.run_module("servers.{server.name}", run_name="__main__")
"""
    done = inside(server, code)
    assert done.returncode == 0, done.stderr


def test_the_image_can_check_access_tokens(server: Unpacked) -> None:
    """PyJWT and cryptography are imported only where OAuth is on, so nothing else would miss them."""
    code = """
import asyncio, json, pathlib, tempfile
from cryptography.hazmat.primitives.asymmetric import ec, rsa
import jwt
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from servers.common.http.auth_settings import OAuthSettings
from servers.common.http.oauth import OAuth

async def main():
    for algorithm, kind, key in (
        ("ES256", ECAlgorithm, ec.generate_private_key(ec.SECP256R1())),
        ("RS256", RSAAlgorithm, rsa.generate_private_key(65537, 2048)),
    ):
        handle, path = tempfile.mkstemp()
        file = pathlib.Path(path)
        file.write_text(json.dumps({"keys": [kind.to_jwk(key.public_key(), as_dict=True) | {"kid": "k"}]}))
        settings = OAuthSettings("https://i", "https://r", file, (algorithm,), ("at+jwt",), None)
        claims = {"iss": "https://i", "aud": "https://r", "exp": 2**33, "client_id": "c", "scope": "mcp:read"}
        token = jwt.encode(claims, key, algorithm, {"typ": "at+jwt", "kid": "k"})
        print((await OAuth(settings).authenticate(token)).name)
        file.unlink()

asyncio.run(main())
"""
    done = inside(server, code)
    assert done.stdout.split() == ["c", "c"], done.stderr


def test_help_tells_the_settings(server: Unpacked) -> None:
    command, env = command_line(server.image, server.root, {}, [*server.image.command, "--help"])
    done = ran(*command, env=env | {"PATH": os.environ["PATH"]}, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "MCP_ALLOW_WRITES" in done.stdout
