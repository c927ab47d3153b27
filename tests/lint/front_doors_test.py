"""The servers use their libraries by public interfaces only, and their modules import in one direction."""

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lint.front_doors import arrows, private, sources, unused, violations
from tests.lint.lint import source_tree

EXCEPTIONS = {
    (
        "servers/common/lazy_imports.py",
        'BaseModel.model_config["defer_build"] = True',
    ): "pydantic documents the setting and its inheritance; the SDK's models have no other place to set it for all of them",
    (
        "servers/common/lazy_imports.py",
        "sys.modules.setdefault(name, None if name in hidden else LazyPackage(name))  # type: ignore[arg-type]",
    ): "a package whose __init__ is skipped must be present before the library imports it",
    (
        "servers/elasticsearch/client/tls.py",
        "return [ssl.PEM_cert_to_DER_cert(c.public_bytes()) for c in connection._sslobj.get_unverified_chain()]",
    ): "before Python 3.13 there is no public way to the certificates that a server sent",
}
"""File and line of what is allowed, with the reason. There may be three, in lazy_imports.py or a module for TLS."""

BY_PYTHON = ("_abc_impl", "_is_protocol", "_is_runtime_protocol")
"""Names that abc and typing set on each class."""

ALLOWED_FILES = ("lazy_imports.py", "tls.py")


def module(tmp_path: Path, text: str, name: str = "servers/common/a.py") -> Path:
    """Write a module into a tree of its own, and return the tree."""
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return tmp_path


def test_servers_use_public_interfaces_only() -> None:
    found = violations(source_tree())
    assert [v for v in found if (v.file, v.text) not in EXCEPTIONS] == []


def test_exceptions_are_few_and_needed() -> None:
    assert len(EXCEPTIONS) <= 3
    assert {file.rpartition("/")[2] for file, _ in EXCEPTIONS} <= set(ALLOWED_FILES)
    assert unused(EXCEPTIONS, violations(source_tree())) == []


def overridden() -> Iterator[str]:
    """Return each private name of a foreign class that a class of servers/ overrides."""
    tree = source_tree()
    for path in sources(tree):
        if path.stem == "__main__":
            continue
        loaded = importlib.import_module(".".join(path.relative_to(tree).with_suffix("").parts).removesuffix(".__init__"))
        for _, own in inspect.getmembers(loaded, inspect.isclass):
            if own.__module__ != loaded.__name__:
                continue
            for base in own.__mro__[1:]:
                if base.__module__.partition(".")[0] in ("servers", "builtins", "typing", "abc", "enum", "pydantic"):
                    continue
                shared = vars(own).keys() & vars(base).keys()
                yield from (f"{loaded.__name__}.{own.__name__}.{n}" for n in shared if private(n) and n not in BY_PYTHON)


def test_no_class_overrides_a_private_name_of_a_library() -> None:
    assert sorted(overridden()) == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("import redis._parsers\n", "imports the private module redis._parsers"),
        ("from redis._parsers import base\n", "imports the private name redis._parsers.base"),
        ("from re import _compiler\n", "imports the private name re._compiler"),
        ("from servers.common.main import _listen\n", "imports the private name servers.common.main._listen"),
        ("def f():\n    from re import _parser as parser\n", "imports the private name re._parser"),
        ("import importlib\nimportlib.import_module('re._parser')\n", "imports the private module re._parser"),
        ("def f(redis_client):\n    redis_client._reader\n", "uses the private attribute _reader"),
        ("def f(ssl_object):\n    return ssl_object._sslobj.get()\n", "uses the private attribute _sslobj"),
        ("import re\nre._compiler.compile('a')\n", "uses the private attribute _compiler"),
        ("class A:\n    def f(self):\n        return self.connection._parser\n", "uses the private attribute _parser"),
        (
            "from x import B\nclass A(B):\n    def f(self):\n        self._stream\n",
            "uses the private attribute _stream",
        ),
        ("import x\nclass A:\n    _own = 1\nx._own\n", "uses the private attribute _own"),
        ("def f(x):\n    getattr(x, '_loop')\n", "uses the private attribute _loop"),
        ("from pydantic import BaseModel\nBaseModel.model_rebuild = None\n", "assigns to BaseModel.model_rebuild"),
        ("import pydantic\npydantic.TypeAdapter = 1\n", "assigns to pydantic.TypeAdapter"),
        ("import pydantic\ndel pydantic.TypeAdapter\n", "assigns to pydantic.TypeAdapter"),
        ("import a.b\na.b.c += 1\n", "assigns to a.b.c"),
        ("import a\na.x, y = 1, 2\n", "assigns to a.x"),
        ("import a\nwith open('f') as a.f:\n    pass\n", "assigns to a.f"),
        ("import a\nfor a.i in ():\n    pass\n", "assigns to a.i"),
        ("import a\nsetattr(a, 'b', 1)\n", "assigns to an attribute of a"),
        ("from a import B\ntype.__setattr__(B, 'b', 1)\n", "assigns to an attribute of B"),
        ("import re\nvars(re)['compile'] = 1\n", "assigns to a part of re"),
        ("import re\nre.__dict__['compile'] = 1\n", "assigns to a part of re.__dict__"),
        ("from a import B\nvars(B).update(c=1)\n", "changes the names of B"),
        ("from a import B\nB.model_config.update(c=1)\n", "changes B.model_config"),
        ("from a import B\nB.model_config['c'] = 1\n", "assigns to a part of B.model_config"),
        ("import sys\nsys.meta_path.insert(0, 1)\n", "uses sys.meta_path"),
        ("import sys\nsys.modules['a'] = None\n", "uses sys.modules"),
        ("from sys import modules\n", "uses sys.modules"),
    ],
)
def test_a_way_past_a_public_interface_is_found(text: str, rule: str, tmp_path: Path) -> None:
    assert [v.rule for v in violations(module(tmp_path, text)) if v.rule.startswith(rule)], violations(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "from __future__ import annotations\n",
        "class A:\n    def __init__(self):\n        self._x = 1\n    def f(self, other):\n        return self._x + other._x\n",
        "class A:\n    _x: int\n    __slots__ = ('_y',)\n    def f(self):\n        return self._x, self._y\n",
        "class A:\n    @classmethod\n    def _make(cls):\n        return cls._make()\n",
        "def _own():\n    pass\n_own()\n",
        "import a\na.b().c = 1\nx = a.b\nx.__name__\n",
        "import os\nprint(os.environ['A'])\n",
        "def f(given):\n    given.x = 1\n",
        "import os\nos._exit(0)\n",
    ],
)
def test_a_modules_own_private_names_are_its_own(text: str, tmp_path: Path) -> None:
    assert violations(module(tmp_path, text)) == []


def test_a_violation_tells_its_file_and_line_and_tests_are_left_out(tmp_path: Path) -> None:
    for name in (
        "servers/redis/b.py",
        "servers/redis/b_test.py",
        "servers/redis/tests/c.py",
        "servers/redis/tests/conftest.py",
    ):
        module(tmp_path, "import a\n\na._b\n", name)
    (found,) = violations(tmp_path)
    assert (found.file, found.line, found.text) == ("servers/redis/b.py", 3, "a._b")


def test_an_exception_that_nothing_needs_is_found(tmp_path: Path) -> None:
    found = violations(module(tmp_path, "import a\na._b\n"))
    needed, other_line = ("servers/common/a.py", "a._b"), ("servers/common/a.py", "a._c")
    assert unused([needed, other_line], found) == [other_line]


def test_servers_import_in_one_direction() -> None:
    assert arrows(source_tree()) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("redis/tools/scan.py", "from servers.redis.server import SERVER\n"),
        ("redis/tools/scan.py", "from servers.redis import server\n"),
        ("redis/tools/scan.py", "from servers.elasticsearch.client.backend import path\n"),
        ("redis/policy/key_scope.py", "from servers.redis.tools import scan\n"),
        ("redis/client/backend.py", "import servers.redis.policy.key_scope\n"),
        ("redis/format/replies.py", "from servers.redis.client.backend import B\n"),
        ("redis/settings.py", "from servers.redis.client.backend import B\n"),
        ("redis/server.py", "def f():\n    import tests.lint.lint\n"),
        ("common/server.py", "from servers.redis.server import SERVER\n"),
        ("common/observability/metrics.py", "from servers.common.http.app import a\n"),
        ("common/protocol/tools.py", "from servers.common.http import oauth\n"),
    ],
)
def test_an_import_in_the_wrong_direction_is_found(file: str, text: str, tmp_path: Path) -> None:
    right = "from servers.common.settings import S\nfrom servers.redis.settings import S\n" * file.startswith("redis/")
    assert len(arrows(module(tmp_path, right + text, f"servers/{file}"))) == 1
