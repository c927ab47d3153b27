"""Which indices this server may see and touch, and which of them a request is about."""

import hashlib
import hmac
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

from servers.common.protocol.tools import ToolError
from servers.common.settings import Secret
from servers.elasticsearch.client.backend import ElasticsearchBackend
from servers.elasticsearch.policy.request_costs import LEAVES
from servers.elasticsearch.settings import ElasticsearchSettings

_OPEN = re.compile(
    r"\.(ds-|alerts-|entities\.|internal\.alerts-|items-|kibana-event-log-|lists-|ml-(annotations|anomalies|notifications|stats)-"
    r"|monitoring-|profiling-|slo-|slm-history-|ilm-history-|watcher-history-).*"
)
"""Names with a leading dot that hold data. Others are of the system or restricted: they hold logins, keys and tokens."""

_DATE_FIRST = re.compile(r"\{[^{}]*\{(?![A-Za-z][^'{}]*[|}])")
"""Date math at the start of a name, whose format may begin with a dot or quote any text."""


def is_restricted(name: str) -> bool:
    """Return whether a name or pattern is, or may match, one of Elasticsearch's own indices."""
    # Colons are behind another cluster's name, and before a selector (::data, ::failures).
    return any(map(_may_be_own, name.split(":")))


def _may_be_own(name: str) -> bool:
    plain = name.lstrip("-+<")  # date math has < in front
    if _DATE_FIRST.match(plain):
        return True
    if plain in (".", ".."):
        return False  # no name, which the client's path refuses
    return plain.startswith((".", "\\")) and not (_OPEN.fullmatch(plain) and "\\" not in plain)


class IndexScope:
    """The patterns of MCP_INDEX_PATTERNS: names of indices and data streams, * matches any; without any, all of them.

    An index is inside by its own name or by that of the data stream that it belongs to, never by an alias. Servers of the same
    store share a secret to seal cursors; without one each process has its own.
    """

    def __init__(self, patterns: Iterable[str], secret: Secret | None = None) -> None:
        self.patterns = tuple(patterns)
        # A colon is of another cluster's index; a restricted index is inside only by a pattern that has its dot.
        self._names = re.compile("|".join(re.escape(p).replace(r"\*", "[^:]*") for p in self.patterns))
        own = [p for p in self.patterns if p.startswith(".")]
        self._own = re.compile("|".join(re.escape(p).replace(r"\*", "[^:]*") for p in own) or r"(?!)")
        self._secret, self._random = secret, os.urandom(16)

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def has(self, name: str) -> bool:
        """Return whether a name, or each name that a pattern with * may match, is an index inside."""
        if not self.patterns:
            return True
        names = self._own if is_restricted(name) else self._names
        return bool(names.fullmatch(name))

    def refuse_restricted(self, expression: str) -> None:
        """Raise ToolError for an expression that names Elasticsearch's own indices, where no pattern names them."""
        for part in expression.split(","):
            if is_restricted(part) and not (self.patterns and self.has(part)):
                raise ToolError(
                    f"{part[:200]!r} is refused: names that begin with a dot are Elasticsearch's own, and may hold secrets; "
                    "MCP_INDEX_PATTERNS can allow them by name"
                )

    def outside(self, name: str) -> ToolError:
        """Return the refusal of a name; the same whether or not there is such an index."""
        return ToolError(f"{name[:200]!r} is not, and does not lead to, an index that this server may touch: {self.said}")

    @property
    def said(self) -> str:
        return f"indices named {' or '.join(map(repr, self.patterns))}"

    def seal(self, text: str) -> str:
        """Seal a text that a client keeps for us, so that the client can't forge one."""
        return f"{text}.{self._sign(text)}" if self.patterns else text

    def opened(self, sealed: str) -> str | None:
        """Return a sealed text; None if the seal is not ours."""
        if not self.patterns:
            return sealed
        text, _, signature = sealed.rpartition(".")
        return text if hmac.compare_digest(signature.encode(), self._sign(text).encode()) else None

    def _sign(self, text: str) -> str:
        key = self._random
        if self._secret:
            key = hashlib.blake2b(self._secret.reveal().encode(), digest_size=32).digest()
        return hmac.new(key, text.encode(), "blake2s").hexdigest()[:16]


_OF_NAMES = LEAVES | {"after", "buckets_path", "exists", "order", "range", "sort", "span_term", "terms"}
"""What has names of fields or aggregations for keys. Whatever leads to an index has more keys beside."""


def indices_in(body: Any, parent: str = "", *, limited: bool = True) -> Iterator[str]:
    """The indices that a request's body names: terms lookup, more_like_this, percolate, indexed_shape, lookup fields, documents
    of a multi-get, boosts of indices and the like. A part whose indices can't be told is a ToolError.

    A field that is called index is told from these by the query that it is the only key of, or by its list of values. `limited`
    refuses also what may lead to any index.
    """
    if isinstance(body, list):
        for item in body:
            yield from indices_in(item, parent, limited=limited)
        return
    if not isinstance(body, dict):
        return
    alone = len(body) == 1 and parent in _OF_NAMES
    for key, value in body.items():
        if limited and key == "pit" and isinstance(value, dict) and "id" in value:
            raise ToolError(f"{key!r} is refused where MCP_INDEX_PATTERNS limits this server: it may lead to any index")
        if key in ("_index", "index", "indices", "target_index"):
            named = alone or (parent == "terms" and isinstance(value, list))
            for name in () if named else value if isinstance(value, list) else [value]:
                if isinstance(name, bool | int | float):
                    raise ToolError(f"{key!r} has to be text: Elasticsearch would take {name!r} for the name of an index")
                if isinstance(name, str):
                    yield name
        elif key == "indices_boost":
            for boosted in value if isinstance(value, list) else [value]:
                yield from boosted if isinstance(boosted, dict) else ()
        elif key == "indexed_shape" and isinstance(value, dict) and "id" in value:
            yield str(value.get("index", "shapes"))  # as Elasticsearch has it by default
        yield from indices_in(value, key, limited=limited)


class ScopedElasticsearch(ElasticsearchBackend):
    """The Elasticsearch backend with the indices that its settings allow."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        super().__init__(settings)
        self.scope = IndexScope(settings.index_patterns, settings.api_key or settings.bearer_token or settings.password)
