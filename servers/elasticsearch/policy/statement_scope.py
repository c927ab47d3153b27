"""ES|QL and SQL as far as MCP_INDEX_PATTERNS needs to know them: which indices a statement reads.

What is not known to read only the indices it is said to read is refused; no attempt is made at the whole grammars
(https://www.elastic.co/guide/en/elasticsearch/reference/8.11/esql-syntax.html, sql-syntax-select.html).
"""

import re
from dataclasses import dataclass

from servers.common.protocol.tools import ToolError

_COMMANDS = frozenset(
    {
        "CHANGE_POINT", "DISSECT", "DROP", "EVAL", "GROK", "INLINESTATS", "KEEP", "LIMIT", "MV_EXPAND", "RENAME", "SAMPLE",
        "SORT", "STATS", "WHERE",
    }
)  # fmt: skip
"""Commands of ES|QL, behind the first, that read no index. Not ENRICH, LOOKUP JOIN and FORK."""

_NAMES = r"[\w.*+-]+(?:[ \t\r\n]*,[ \t\r\n]*[\w.*+-]+)*"
_QUOTABLE = r'(?:[\w.*+-]+|"[\w.*+-]+")'
_FROM = re.compile(
    rf"[ \t\r\n]*FROM[ \t\r\n]+({_QUOTABLE}(?:[ \t\r\n]*,[ \t\r\n]*{_QUOTABLE})*)"
    rf"(?:[ \t\r\n]+METADATA[ \t\r\n]+{_NAMES}|[ \t\r\n]*\[[ \t\r\n]*METADATA[ \t\r\n]+{_NAMES}"
    r"[ \t\r\n]*\])?[ \t\r\n]*",
    re.ASCII | re.IGNORECASE,
)

_COMMENT = r"/\*(?:(?!/\*|\*/)[\s\S])*(\*/)"
_ESQL_QUOTED = re.compile(rf'"""[^\r\n]*?"""("?"?)|"(?:[^"\\\r\n]|\\.)*(")?|`(?:[^`]|``)*(`)?|//[^\r\n]*()|{_COMMENT}')
_SQL_QUOTED = re.compile(rf"""'(?:[^']|'')*(')?|"(?:[^"]|"")*(")?|`(?:[^`]|``)*(`)?|--[^\r\n]*()|{_COMMENT}""")
"""What is quoted or a comment, and what follows a quote that is not closed: else each further quote would be tried again. A group
has the closing quote."""


@dataclass(frozen=True)
class Statement:
    """A statement around the indices that it reads; none where `indices` is empty."""

    before: str
    indices: str
    behind: str

    def reading(self, indices: str) -> str:
        """Return the statement for other indices."""
        return self.before + indices + self.behind


def esql(query: str) -> Statement:
    """Return a statement of ES|QL, or raise ToolError if it can't be told what it reads."""
    query = _uncommented(query, _ESQL_QUOTED)
    plain = _plain(query, _ESQL_QUOTED)
    if _SUBQUERY.search(plain):
        raise _unclear("subqueries")
    first, *rest = plain.split("|")
    for piece in (first, *rest):
        if piece.count("(") != piece.count(")"):
            raise _unclear("| within parentheses")
    for piece in rest:
        # INLINE STATS is the newer name of INLINESTATS.
        piece = re.sub(r"^[ \t\r\n]*INLINE[ \t\r\n]+(?=STATS\b)", "", piece, flags=re.IGNORECASE)
        word = (re.findall(r"^[ \t\r\n]*([A-Za-z_]+)", piece) or [piece.strip()[:20]])[0].upper()
        if word not in _COMMANDS:
            raise _unclear(f"{word or 'an empty command'}, but {', '.join(sorted(_COMMANDS))}")
    if re.match(r"[ \t\r\n]*(ROW|SHOW)[ \t\r\n]", first, re.IGNORECASE):
        return Statement(query, "", "")
    # In place, for quoted names are blank in `plain`.
    if not (found := _FROM.fullmatch(query, 0, len(first))):
        raise _unclear("a query that does not begin with FROM and plain names, without other clusters and date math")
    return Statement(query[: found.start(1)], re.sub(r'[ \t\r\n"]', "", found[1]), query[found.end(1) :])


def sql(query: str) -> Statement:
    """Return a statement of SQL, or raise ToolError if it can't be told what it reads."""
    query = _uncommented(query, _SQL_QUOTED)
    plain = _plain(query, _SQL_QUOTED)
    if re.search(r"[{};?]", plain):
        raise _unclear("any of { } ; ?")
    if not re.match(r"\s*SELECT\b", plain, re.IGNORECASE):
        raise _unclear("a statement other than SELECT; es_indices and es_mapping show what there is")
    if re.search(r"\b(JOIN|FROZEN|NATURAL|UNION|WITH)\b", plain, re.IGNORECASE):
        raise _unclear("joins and the like")
    words = list(re.finditer(r"\bFROM\b", plain, re.IGNORECASE))
    if not words:
        return Statement(query, "", "")
    # In place, for quoted names are blank in `plain`.
    table = re.compile(r'\s+(?:"([\w.*,+-]+)"|([\w.+-]+))(?![^\s)])', re.ASCII).match(query, words[0].end())
    if len(words) > 1 or not table or plain[table.end() :].lstrip().startswith(","):
        raise _unclear('anything but one FROM and one table, such as FROM "logs-*"')
    return Statement(query[: table.start()] + ' "', table[1] or table[2], '"' + query[table.end() :])


_SUBQUERY = re.compile(r"\([ \t\r\n]*(?:FROM|TS|ROW)\b", re.IGNORECASE)

_ESQL_BEGIN = re.compile(r"\s*(?:FROM|METRICS|TS)\b[^|]*", re.IGNORECASE)
_ESQL_SOURCES = re.compile(r"\b(?:FROM|JOIN|METRICS|TS)\b([^|]*)", re.IGNORECASE)
_SQL_SOURCES = re.compile(r"(?is)\b(?:FROM|JOIN)\b((?:(?!\b(?:FROM|GROUP|HAVING|JOIN|LIMIT|ORDER|WHERE)\b).)*)")
"""Where a statement names what it reads, once what is quoted is blank: a name may have words and | in it."""


def sources(language: str, query: str) -> list[str]:
    """Return everything that may be an index's name where a statement of ES|QL or SQL names what it reads. Raise ToolError for
    quotes that some versions of ES|QL take for parts of names: a comment or | between them would be read in two ways."""
    quoted = _ESQL_QUOTED if language == "esql" else _SQL_QUOTED
    text = _uncommented(query, quoted)
    plain = quoted.sub(lambda part: " " * len(part[0]), text)
    spans = [found.span(1) for found in (_ESQL_SOURCES if language == "esql" else _SQL_SOURCES).finditer(plain)]
    if language == "esql":
        if (begin := _ESQL_BEGIN.match(plain)) and any(
            re.search(r"[\s|]|/[/*]", part[0]) for part in quoted.finditer(text, 0, begin.end())
        ):
            raise ToolError("refused: the quotes behind FROM have blanks, | or comments, which no index's name has")
        if _SUBQUERY.search(plain):
            spans = [(0, len(text))]
    return [name for start, end in spans for name in re.findall(r"[^\s,\"'`:()\[\]]+", text[start:end])]


def _uncommented(query: str, quoted: re.Pattern[str]) -> str:
    """Return a statement with blanks in place of comments: where it is sent, there is one reading of them. Raise ToolError for
    those inside of each other."""

    def blank(part: re.Match[str]) -> str:
        return re.sub(r"[^\r\n]", " ", part[0]) if part[0][0] in "/-" else part[0]

    if "/*" in quoted.sub(" ", query):
        raise ToolError("refused: it can't tell which indices are read by comments that are not closed, or inside of each other")
    return quoted.sub(blank, query)


def _plain(query: str, quoted: re.Pattern[str]) -> str:
    """Return a statement with blanks in place of what is quoted, as long as it was. Raise ToolError for an open quote."""

    def blank(found: re.Match[str]) -> str:
        return " " * len(found[0]) if found.lastindex else found[0]

    plain = quoted.sub(blank, query)
    if re.search(r"[\"'`]", plain):
        raise _unclear("quotes that are not closed")
    return plain


def _unclear(what: str) -> ToolError:
    return ToolError(f"refused: MCP_INDEX_PATTERNS limits this server, and it can't tell which indices are read by {what}")
