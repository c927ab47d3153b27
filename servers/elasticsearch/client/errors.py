"""Errors of Elasticsearch and of the way to it, in words that a model can act on.

Elasticsearch's own errors have this shape: {"error": {"type", "reason", "root_cause": [...], "caused_by": {...}}, "status"}.
"""

import os
import re
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
import elastic_transport

from servers.common.backend import BackendError
from servers.common.protocol.tools import ToolError

_MOST = 400
"""Characters of Elasticsearch's own words that are passed on."""

_ADVICE = {
    "cluster_block_exception": "an operator must lift the block (a full disk makes indices read-only)",
    "circuit_breaking_exception": "Elasticsearch lacks memory for it: ask for less, or try later",
    "es_rejected_execution_exception": "Elasticsearch is overloaded: try again in a while",
    "index_closed_exception": "the index is closed, and nothing can be read or written until it is open",
    "invalid_index_name_exception": "es_indices lists the names",
    "search_context_missing_exception": "the cursor has expired",
    "too_many_buckets_exception": "ask for fewer buckets: a smaller size, a longer interval, or a narrower query",
    "too_many_clauses": "the query has too many clauses: narrow it",
    "unavailable_shards_exception": "a shard is not available, so nothing was done: es_health says which and why",
    "no_shard_available_action_exception": "a shard is not available: es_health says which and why",
}

_NO_API = re.compile(r"no handler found|incorrect HTTP method|invalid index name \[_", re.I)
"""Words for a path that is no API of a distribution: it may be taken for the name of an index."""

_STRANGE = re.compile(rf"unrecognized parameter|unknown (key|query|field)|{_NO_API.pattern}", re.I)
"""OpenSearch's words for what it does not know."""


class NodeFailure(elastic_transport.ConnectionError):
    """One attempt at one node failed. The client sets the node aside for it. `said` is what was seen, and `advice` what to do;
    neither names the node, which is at `address`."""

    def __init__(self, address: str, said: str, advice: str) -> None:
        super().__init__(said)
        self.address, self.said, self.advice = address, said, advice

    def __str__(self) -> str:
        return f"Elasticsearch at {self.address} {self.said}: {self.advice}"


class NotConnected(NodeFailure):
    """There was no connection, so nothing was sent."""


class AnswerLost(NodeFailure):
    """The request was sent, and there is no whole answer. What was asked for may have been done."""


class AnswerTooLong(ToolError):
    """The answer is too long to be read. What was asked for may have been done."""

    def __init__(self, limit: int, fit: int = 0) -> None:
        """Say how many bytes an answer may have, and how many hits would fit (0 if it is not known)."""
        fewer = f"at most {fit} (size)" if fit else "fewer (a smaller size)"
        super().__init__(
            f"Elasticsearch's answer is too long for this server's memory (more than {limit} bytes, or too many values): ask for "
            f"{fewer}, or for less of each (only the fields you need)"
        )


class Uncertain(BackendError):
    """A change was sent, and what came back does not tell whether it was done."""

    def __init__(self, place: str, what: str) -> None:
        super().__init__(
            f"Elasticsearch at {place} {what}: what was asked for may have been done, and was not sent again; check "
            "before you repeat it"
        )


def connection_failure(error: BaseException, timeout: float) -> tuple[str, str]:
    """Return what was seen where there is no connection, and what to do. `timeout` is the seconds that connecting may take."""
    cause: BaseException | None = error
    while isinstance(cause, aiohttp.ClientConnectorError):  # aiohttp's, around the one that says more
        cause = cause.__cause__
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"has a certificate that this server does not trust ({cause.verify_message})",
                "check ES_CA_FILE or ES_CA_FINGERPRINT, and the host's name",
            )
        if isinstance(cause, ssl.SSLError):
            reason = cause.reason or "no reason"
            if "ALERT" in reason:
                return f"refuses the TLS connection ({reason})", "check ES_CLIENT_CERT_FILE"
            return f"does not complete the TLS handshake ({reason})", "check ES_SCHEME"
        if isinstance(cause, OSError) and cause.strerror:
            break
        cause = cause.__cause__ or cause.__context__
    detail = "it closed the connection"
    if isinstance(error, TimeoutError):
        detail = f"no answer within {timeout:g} s"
    elif isinstance(cause, OSError):
        # A resolver's numbers are negative. asyncio's own words for the others repeat the address.
        number = cause.errno or 0
        detail = os.strerror(number) if number > 0 else str(cause.strerror)
    return f"can't be reached ({detail})", "try again, or check ES_HOST, ES_PORT and ES_SCHEME"


class ElasticsearchError(ToolError):
    """Elasticsearch answered with an error of a type and an HTTP status. `index` is the one that it is about, if it names one."""

    def __init__(self, message: str, type: str, status: int, index: str | None = None) -> None:
        super().__init__(message)
        self.type, self.status, self.index = type, status, index


UNAVAILABLE = frozenset({400, 403, 404, 405, 410})
"""HTTP statuses for what a user may not ask (403), and for what OpenSearch or Serverless (410) does not have."""


def explain(status: int, answer: Any, sent: bytes, opensearch: str = "", path: str = "") -> Exception:
    """Return the exception for an answer that is an error: an ElasticsearchError, or a BackendError if the whole cluster can't
    serve. The JSON that was sent shows the place of a mistake. `opensearch` is name and version of the OpenSearch that answered,
    or empty."""
    error = answer.get("error") if isinstance(answer, Mapping) else None
    if status == 413 and not error:
        text = f"a request of {len(sent)} bytes is too long for Elasticsearch, or a proxy in between (HTTP status 413): send less"
        return ElasticsearchError(text, "", status)
    if not isinstance(error, Mapping):
        said = _short(error or answer)
        text = f"Elasticsearch answered with HTTP status {status}: {said}{_lacking(path, said)}{_foreign(opensearch, said)}"
        return ElasticsearchError(text, "", status)
    cause = _root(error)
    type, reason = str(cause.get("type") or ""), str(cause.get("reason") or "")
    if type == "master_not_discovered_exception" or (status == 503 and "state not recovered" in reason):
        return BackendError(f"Elasticsearch has no elected master now ({_short(reason)}): try again in a while")
    if status == 403 and type == "security_exception":
        return ElasticsearchError(f"Elasticsearch does not allow this user to do it: {_short(reason)}", type, status)
    inner = error.get("caused_by")
    if isinstance(inner, Mapping) and reason == error.get("reason") and (why := str(inner.get("reason") or "")) not in reason:
        reason = f"{reason} ({why})"
    words = [_short(reason or type) + _place(cause, sent)]
    lacking = _lacking(path, reason)
    if not lacking and (advice := _advice(type, reason)):
        words.append(advice)
    told = "; ".join(words) + lacking + _foreign(opensearch, reason)
    return ElasticsearchError(f"Elasticsearch answered: {told}", type, status, cause.get("index"))


def of_item(error: Any) -> str:
    """Why one item of a bulk request was refused, from its `error`."""
    if not isinstance(error, Mapping):
        return _short(error)
    cause = error.get("caused_by")
    inner = f" ({why})" if isinstance(cause, Mapping) and (why := cause.get("reason")) else ""
    return _short(f"{error.get('type')}: {error.get('reason')}{inner}")


def _lacking(path: str, reason: str) -> str:
    """Say that the cluster does not have a part of the API. Names of indices do not begin with _."""
    if not path.startswith("/_") or not _NO_API.search(reason):
        return ""
    return f"; this cluster does not have {path.partition('?')[0][:200]}"


def _foreign(opensearch: str, reason: str) -> str:
    """Explain an error that comes from a gap in OpenSearch's API: a caller could only guess."""
    if not opensearch or not _STRANGE.search(reason):
        return ""
    return f"; this cluster is {opensearch}, which lacks parts of Elasticsearch's API"


def _root(error: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the cause that says most: the first root cause, or the innermost where that one only says that something failed."""
    causes = error.get("root_cause") or [error]
    cause: Mapping[str, Any] = causes[0]
    if cause.get("type") in (None, "search_phase_execution_exception", "exception"):
        while isinstance(error.get("caused_by"), Mapping):
            error = error["caused_by"]
        return error
    return cause


def _place(cause: Mapping[str, Any], sent: bytes) -> str:
    """Show where a parser stopped in the JSON that was sent: ` (at ...{"mtch"▶:{...)`."""
    line, column = cause.get("line"), cause.get("col")
    if line is None and (found := re.match(r"\[(\d+):(\d+)\]", str(cause.get("reason", "")))):
        line, column = int(found[1]), int(found[2])
    # What we send is one line; columns count its bytes, from 1.
    if line != 1 or not isinstance(column, int) or not 0 < column <= len(sent):
        return ""
    at = column - 1
    before, after = sent[max(at - 40, 0) : at].decode("utf-8", "ignore"), sent[at : at + 25].decode("utf-8", "ignore")
    return f" (at {'...' if at > 40 else ''}{before}▶{after}{'...' if at + 25 < len(sent) else ''})"


def _advice(type: str, reason: str) -> str:
    if "index closed" in reason:
        type = "index_closed_exception"
    if "Fielddata is disabled" in reason:
        return "sort and aggregate on a keyword sub-field instead: es_mapping shows whether it has one"
    if "to set the [nested] context" in reason:
        return 'name its path, as in [{"lines.price":{"order":"asc","nested":{"path":"lines"}}}]'
    if "Result window is too large" in reason:
        return "ask for at most that many (size, most), or continue with the cursor"
    if "_source is disabled" in reason:
        return 'leave out source, and read values in columns: more {"docvalue_fields":["FIELD"]}'
    if "due to missing shards" in reason:
        return 'only a first page can do without them: leave out their index, as in "logs-*,-INDEX"; es_health says why'
    if "in [retriever]" in reason or "nknown retriever" in reason:
        return "this cluster has no such retriever (Elasticsearch has them from 8.14 on): use query and knn"
    if "unknown query [query]" in reason:
        return 'give the query clause itself, such as {"match": {...}}, without {"query": ...} around it'
    return _ADVICE.get(type, "")


def _short(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= _MOST else line[: _MOST - 3] + "..."
