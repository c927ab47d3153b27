"""redis_delete and redis_delete_matching: by exact names, or by a pattern that was tried before."""

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from servers.common.backend import BackendError
from servers.common.protocol.tools import Call, Room, ToolError, tool
from servers.redis.format.globs import matched_at_once
from servers.redis.format.key_encoding import Pattern, digest_of, show_key, show_name
from servers.redis.policy.key_scope import ScopedRedis
from servers.redis.tools.scan import SCAN_COUNT

MOST_LOOKED_AT = 1_000_000
"""Keys looked at for a pattern."""

SAMPLE = 20


class DeletedKeys(TypedDict):
    deleted: int
    missing: Annotated[list[str], Field(description="keys that did not exist")]
    left_out: Annotated[NotRequired[int], Field(description="further keys that did not exist")]


@tool(title="Delete keys", write=True, destructive=True)
async def redis_delete(
    call: Call[ScopedRedis],
    *,
    keys: Annotated[list[str], Field(min_length=1, max_length=1000)],
) -> DeletedKeys:
    """Delete keys by exact name. This can't be undone: read them first."""
    names = list(dict.fromkeys(call.backend.scope.key(key) for key in keys))
    answers = await call.backend.write_many([("UNLINK", name) for name in names])
    for answer in answers:
        if isinstance(answer, Exception):
            raise ToolError(
                f"{sum(a == 1 for a in answers)} of {len(names)} keys were deleted; for another: {answer}{doubt(answer)}"
            )
    missing = [show_key(name) for name, answer in zip(names, answers, strict=True) if not answer]
    told = Room(call.max_bytes).kept(missing)
    deleted: DeletedKeys = {"deleted": len(names) - len(missing), "missing": told}
    if len(told) < len(missing):
        deleted["left_out"] = len(missing) - len(told)
    return deleted


class Matched(TypedDict):
    matched: Annotated[NotRequired[int], Field(description="keys that would be deleted")]
    sample: NotRequired[list[str]]
    confirm: Annotated[NotRequired[str], Field(description="call again with it to delete these keys")]
    deleted: NotRequired[int]


@tool(title="Delete keys by pattern", write=True, destructive=True, dry_run=lambda arguments: arguments["confirm"] is None)
async def redis_delete_matching(
    call: Call[ScopedRedis],
    *,
    pattern: Annotated[Pattern, Field(min_length=2, description="glob")],
    most: Annotated[int, Field(ge=1, le=100_000, description="refuse if more keys match")] = 1000,
    confirm: Annotated[str | None, Field(description="from the first call")] = None,
) -> Matched:
    """Delete keys by pattern, in two calls. The first only counts and returns confirm. The second, with confirm, deletes if the same keys still match."""  # noqa: E501
    if not pattern.strip("*?"):
        raise ToolError("the pattern matches every key, so nothing was done: give one that selects some")
    names = await _matching(call, pattern, most)
    token = digest_of(*names)
    if confirm is None:
        sample = Room(call.max_bytes).kept(show_name(name) for name in names[:SAMPLE])
        return {"matched": len(names), "sample": sample, "confirm": token}
    if confirm != token:
        raise ToolError(
            f"nothing was deleted: other keys match than in the first call ({len(names)} now); call without confirm to see them"
        )
    deleted = 0
    for start in range(0, len(names), SCAN_COUNT):
        part = names[start : start + SCAN_COUNT]
        try:
            answers = await call.backend.write_many([("UNLINK", name) for name in part])
        except BackendError as error:
            if not deleted:
                raise
            raise ToolError(f"{deleted} keys were deleted, and then: {error}{doubt(error)}") from None
        deleted += sum(answer == 1 for answer in answers)
        for answer in answers:
            if isinstance(answer, Exception):
                raise ToolError(f"{deleted} keys were deleted; for another: {answer}{doubt(answer)}")
        await call.progress(start + len(part), len(names), f"{deleted} keys deleted")
    return {"deleted": deleted}


def doubt(answer: Exception) -> str:
    """Return what to add to an error if a key may have been deleted."""
    return "; it may have been deleted" if isinstance(answer, BackendError) and answer.unknown else ""


async def _matching(call: Call[ScopedRedis], pattern: str, most: int) -> list[bytes]:
    names: set[bytes] = set()
    server, position = 0, 0
    glob = call.backend.scope.pattern(pattern)
    count = min(SCAN_COUNT, matched_at_once(glob))
    for step in range(MOST_LOOKED_AT // count):
        server, position, found = await call.backend.scan(server, position, "MATCH", glob, "COUNT", count)
        names.update(name for name in found if call.backend.scope.has(name))
        if len(names) > most:
            raise ToolError(f"more than {most} keys match: nothing was deleted; narrow the pattern, or raise most")
        if server < 0:
            return sorted(names)
        await call.progress(step * count, None, f"{len(names)} keys match")
    raise ToolError(
        f"the scan did not finish within {MOST_LOOKED_AT} keys: nothing was deleted; find the keys with redis_scan and delete "
        "them by name"
    )
