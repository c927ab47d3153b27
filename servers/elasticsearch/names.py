"""Names of indices: which can be written to, and which was meant."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from pydantic import Field

from servers.common.backend import BackendError
from servers.common.tools import ToolError
from servers.elasticsearch.backend import ElasticsearchBackend, path
from servers.elasticsearch.errors import Refused

IndexPattern = Annotated[
    str,
    Field(min_length=1, max_length=4096, description="index, alias or data stream; several by commas; * matches any"),
]
IndexName = Annotated[
    str, Field(min_length=1, max_length=255, description="exact name of an index, alias or data stream")
]
DocumentId = Annotated[str, Field(min_length=1, max_length=512)]


def writable(name: str) -> str:
    """The name of one index that may be written to.

    Raises:
        ToolError: it could mean several, or is Elasticsearch's own.
    """
    if name == "_all" or any(c in name for c in '*?,<>:"\\/| #'):
        raise ToolError(f"{name!r} is not the exact name of one index: nothing was done; es_indices lists names")
    if name.startswith((".", "_", "-", "+")):
        raise ToolError(
            f"{name!r} can't be written to: names with . in front are Elasticsearch's own; nothing was done"
        )
    return name


@asynccontextmanager
async def near_names(backend: ElasticsearchBackend) -> AsyncIterator[None]:
    """Completes the error of an index that is not there by the names that are like it."""
    try:
        yield
    except Refused as error:
        if error.type != "index_not_found_exception":
            raise
        missing = error.index or "?"
        raise ToolError(f"there is no index {missing!r}: {await _meant(backend, missing)}") from None


async def require_index(backend: ElasticsearchBackend, name: str) -> None:
    """Raises ToolError when there is no such index, alias or data stream; a write would make one of a misspelled name."""
    async with near_names(backend):
        await backend.read("GET", path("_resolve", "index", name))


async def _meant(backend: ElasticsearchBackend, missing: str) -> str:
    try:
        known = await backend.read("GET", path("_resolve", "index", "*"))
    except (ToolError, BackendError):
        return "es_indices lists them"
    names = [entry["name"] for kind in ("indices", "aliases", "data_streams") for entry in known.get(kind, ())]
    if not names:
        return "there is none at all that this user may see"
    wanted = missing.strip("*")
    near = difflib.get_close_matches(wanted, names, 5, 0.6) or [n for n in sorted(names) if wanted and wanted in n][:5]
    return f"did you mean {' or '.join(near)}? es_indices lists all" if near else "es_indices lists them"
