"""Versions of keys: to write only what nobody else has changed since it was read."""

from collections.abc import Mapping

from servers.common.protocol.tools import ToolError
from servers.redis.client.backend import Transaction
from servers.redis.format.key_encoding import digest_of, show_key

SAMPLES = 1000
"""Elements of a key that Redis looks at to tell its size."""

ABSENT = "none"
"""The version of a key that is not there."""

MOST = 1024 * 1024
"""Bytes of memory of a key that is given a version: all of it has to be read for that."""


def version(dump: bytes | None) -> str:
    """Return the version of a key, from what DUMP says of it; the same value has the same version."""
    return ABSENT if dump is None else digest_of(dump)


async def check_versions(transaction: Transaction, versions: Mapping[bytes, str]) -> None:
    """Raise ToolError unless keys, which the transaction watches, have the versions that they map to."""
    for name, wanted in versions.items():
        memory = await transaction.read("MEMORY", "USAGE", name, "SAMPLES", SAMPLES)
        if isinstance(memory, int) and memory > MOST:
            raise ToolError(f"{show_key(name)!r} has {memory} bytes now, too many for a version check: nothing was done")
        now = version(await transaction.read("DUMP", name))
        if now != wanted:
            raise ToolError(
                f"{show_key(name)!r} has changed: its version is {now} and not {wanted[:40]!r}; nothing was done: read it again"
            )
