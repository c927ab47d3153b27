"""Names of indices: which can be written to, and which was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from pydantic import Field

from servers.common.backend import BackendError
from servers.common.tools import ToolError
from servers.elasticsearch.backend import ElasticsearchBackend, path
from servers.elasticsearch.errors import Refused

# What these take is said once, in the server's instructions.
IndexPattern = Annotated[str, Field(min_length=1, max_length=4096)]
"""Index, alias or data stream; several by commas; * matches any."""

IndexName = Annotated[str, Field(min_length=1, max_length=255)]
"""The exact name of an index, alias or data stream."""

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


@asynccontextmanager
async def near_fields_of(backend: ElasticsearchBackend, index: str) -> AsyncIterator[None]:
    """Completes the error of a field that is not there, or that can't be sorted on, by the fields that were meant."""
    try:
        async with near_names(backend):
            yield
    except Refused as error:
        said = str(error)
        if found := re.search(r"Fielddata is disabled on \[([^\]]+)\]", said):
            field = found[1]
            subs = await known_fields(backend, index, f"{field}.*")
            able = [name for name, types in subs.items() if aggregatable(types)]
            instead = f"use {' or '.join(able)}" if able else "it has no keyword sub-field to use in its place"
            raise ToolError(f"{field!r} is a text field, which can't be sorted or aggregated on: {instead}") from None
        if found := re.search(r"No mapping found for \[([^\]]+)\]", said):
            raise ToolError(*await unknown_fields(backend, index, found[1])) from None
        raise


async def require_index(backend: ElasticsearchBackend, name: str) -> None:
    """Raises ToolError when there is no such index, alias or data stream; a write would make one of a misspelled name."""
    async with near_names(backend):
        await backend.read("GET", path("_resolve", "index", name))


async def known_fields(backend: ElasticsearchBackend, index: str, *fields: str) -> dict[str, dict[str, Any]]:
    """The fields of an index that match patterns: dotted path to type to what can be done with it (_field_caps)."""
    answer = await backend.read(
        "GET",
        path(index, "_field_caps"),
        params={"fields": ",".join(fields), "allow_no_indices": "false", "filters": "-metadata"},
    )
    return {
        name: {type: caps for type, caps in types.items() if type != "unmapped"}
        for name, types in answer.get("fields", {}).items()
    }


def aggregatable(types: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a field of `known_fields` can be sorted and aggregated on in every index that has it."""
    return bool(types) and all(caps["aggregatable"] for caps in types.values())


async def unknown_fields(backend: ElasticsearchBackend, index: str, *missing: str) -> list[str]:
    """A sentence for each name of a field that is not there: which may have been meant."""
    try:
        known = [name for name, types in (await known_fields(backend, index, "*")).items() if "object" not in types]
    except (ToolError, BackendError):
        known = []
    return [f"no field is called {name!r}: {_near_field(name, known)}" for name in missing]


def _near_field(missing: str, known: Sequence[str]) -> str:
    last = missing.rpartition(".")[2].lower()
    near = difflib.get_close_matches(missing, known, 5, 0.6)
    near += [name for name in sorted(known) if name.rpartition(".")[2].lower() == last and name not in near]
    return f"did you mean {' or '.join(near[:5])}? es_mapping lists all" if near else "es_mapping lists them"


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
