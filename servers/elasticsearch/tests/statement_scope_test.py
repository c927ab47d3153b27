"""Which indices a statement of ES|QL or SQL reads."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.common.protocol.tools import ToolError
from servers.elasticsearch.policy.statement_scope import Statement, esql, sources, sql


@pytest.mark.parametrize(
    "query",
    [
        "FROM app-1 | ENRICH canary-policy", "FROM app-1 | LOOKUP JOIN canary ON id", "FROM app-1 | limit 1 | enrich p",
        "FROM app-1 | FORK (WHERE true) (WHERE false)", "FROM app-1, (FROM canary | LIMIT 1)", "FROM (FROM canary)",
        "FROM app-1 | WHERE a IN (FROM canary)", "FROM app-1 | WHERE a IN ( from canary)",
        "FROM app-1 | WHERE a IN (FROM canary | KEEP a)", "FROM r:app-1", "FROM *:canary", "FROM app-1::failures",
        'FROM "r:app-1"', 'FROM "app-1" "canary"', 'FROM "app-1""canary"', 'FROM "app-1,canary"', 'FROM "app-1\\", canary',
        'FROM "app-1" | ENRICH p', 'FROM "app-1", (FROM canary)', 'FROM "<app-{now/d}>"', 'FROM ""', 'FROM """app-1"""',
        'FROM"canary"', "FROM `app-1`", "FROM <app-{now/d}>", "TS canary", "METRICS canary", "EXPLAIN [FROM canary]",
        "FROM app-1 /* /* */ | ENRICH p */", "FROM app-1 /* x", 'FROM app-1 | WHERE a == """x""" | ENRICH p',
        'FROM app-1 | WHERE a == """x""" y""" | LIMIT 1', 'FROM app-1 | WHERE a == """\n""" | LIMIT 1',
        'FROM app-1 | WHERE a == "//" | ENRICH p // "', 'FROM app-1 /* " */ | ENRICH p /* " */',
        'FROM app-1 | WHERE a == "x | LIMIT 1', "FROM app-1 | COMPLETION a WITH b", "FROM app-1 |", "| FROM canary",
        "FROM app-1 canary", "FROM app-1 METADATA _id, canary | LIMIT 1 | | ENRICH p", "FROM\u00a0canary",
        'FROM app-1 | WHERE x == "\\" | ENRICH p', "FROM app-1 | RENAME `a``b` AS c | ENRICH p", "SET a = b; FROM canary",
        "FROM app-1 | INSIST x", "FROM app-1 | INLINE canary", "FROM app-1 | INLINE STATSX", "FROM app-1 | RERANK x",
        'FROM app-1 | WHERE x == "\\"\n" | LIMIT 1', 'FROM app-1 | WHERE x == "\\', "FROM app-1 | KEEP `a``",
        '"\\' * 50_000,
    ],
)  # fmt: skip
def test_esql_that_could_read_anything_is_refused(query: str) -> None:
    with pytest.raises(ToolError, match="it can't tell which indices"):
        esql(query)


@pytest.mark.parametrize(
    "query",
    [
        "SHOW TABLES", "DESCRIBE canary", "SYS TABLES", "EXPLAIN SELECT 1", "SELECT * FROM app-1, canary",
        "SELECT * FROM a JOIN canary", "SELECT * FROM a join canary", "SELECT * FROM (SELECT * FROM canary)",
        "SELECT * FROM app-1 /* /* x */ */", "SELECT * FROM app-1 /* x", "SELECT a -- x\n, b FROM a, canary",
        "SELECT * FROM b\u00fc", 'SELECT * FROM "app-1"x', "SELECT a FROM app-1,canary", "SELECT * FROM r:canary",
        'SELECT * FROM "r:canary"', 'SELECT * FROM r."canary"', "SELECT {fn x} FROM canary",
        "SELECT * FROM app-1; SELECT * FROM canary", "SELECT * FROM FROZEN canary",
        "SELECT * FROM app-1 WHERE a IN (SELECT b FROM canary)", "SELECT 'x FROM canary", "SELECT * FROM `canary`",
        "SELECT * FROM <canary>", 'SELECT * FROM "app-1" , canary', "WITH a AS (SELECT 1) SELECT * FROM canary",
        "SELECT a FROM", 'SELECT * FROM "a""b"',
    ],
)  # fmt: skip
def test_sql_that_could_read_anything_is_refused(query: str) -> None:
    with pytest.raises(ToolError, match="it can't tell which indices"):
        sql(query)


NAME = st.text(st.sampled_from("ab1.*-_"), min_size=1, max_size=6)
QUOTED = st.text(st.sampled_from("a|'`(FROM x,"), max_size=12)


@given(names=st.lists(NAME, min_size=1, max_size=3), text=QUOTED, blank=st.sampled_from([" ", "\n", "\t "]))
def test_what_a_statement_reads_is_found_and_replaced(names: list[str], text: str, blank: str) -> None:
    query = f'FROM{blank}{f" ,{blank}".join(names)}{blank}| WHERE a == "{text}" | LIMIT 3'
    statement = esql(query)
    assert statement.indices == ",".join(names)
    rest = f'| WHERE a == "{text}" | LIMIT 3'
    assert statement.reading(statement.indices).replace(blank, "").endswith(rest.replace(blank, ""))
    joined = ",".join(names)
    found = sql(f'SELECT a,{blank}"{text}" FROM{blank}"{joined}" LIMIT 3')
    assert found.indices == joined and found.reading("x").endswith('FROM "x" LIMIT 3')


@pytest.mark.parametrize(
    ("language", "query", "before", "indices", "behind"),
    [
        (esql, "from a , b-*\n,c | limit 1", "from ", "a,b-*,c", " | limit 1"),
        (esql, "FROM a METADATA _id, _index | LIMIT 1", "FROM ", "a", " METADATA _id, _index | LIMIT 1"),
        (esql, 'from "a-1", b ,\n"c*" METADATA _id | LIMIT 1', "from ", "a-1,b,c*", " METADATA _id | LIMIT 1"),
        (esql, "FROM a [METADATA _id]", "FROM ", "a", " [METADATA _id]"),
        (esql, 'FROM a | WHERE b == "x | y" | EVAL `c|d` = (1)', "FROM ", "a", ' | WHERE b == "x | y" | EVAL `c|d` = (1)'),
        (
            esql, 'FROM a // "b\n, c /* | */ | GROK d """x\\|"y"""" | LIMIT 1', "FROM ", "a,c",
            '         | GROK d """x\\|"y"""" | LIMIT 1',
        ),
        (esql, "show info | keep version", "show info | keep version", "", ""),
        (esql, "ROW a = 1", "ROW a = 1", "", ""),
        (sql, "select a from b where c = ?".replace("?", "'FROM'"), 'select a from "', "b", "\" where c = 'FROM'"),
        (sql, 'SELECT a FROM "b*,c" ORDER BY a', 'SELECT a FROM "', "b*,c", '" ORDER BY a'),
        (sql, "SELECT (1) FROM b", 'SELECT (1) FROM "', "b", '"'),
        (sql, " SELECT 1", " SELECT 1", "", ""),
        (sql, "SELECT a-- '\nFROM b", 'SELECT a    \nFROM "', "b", '"'),
    ],
)  # fmt: skip
def test_the_parts_of_a_statement(language: Any, query: str, before: str, indices: str, behind: str) -> None:
    assert language(query) == Statement(before, indices, behind)
    assert language(query).reading("x,y") == before + "x,y" + behind


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("FROM a, b-* | WHERE c", {"a", "b-*"}),
        ("from r:a | lookup join d on e", {"r", "a", "d", "on", "e"}),
        ("TS a", {"a"}),
        ("METRICS a BY b", {"a", "BY", "b"}),
        ('SELECT x FROM "a,b" WHERE y = 1 GROUP BY z', {"a", "b"}),
        ("SELECT x FROM a HAVING y", {"a"}),
        ("SELECT x FROM a ORDER BY y LIMIT 1", {"a"}),
        ("FROM /* | */ a", {"a"}),
        ("FROM // |\r a", {"a"}),
        ("SELECT x FROM -- |\n a", {"a"}),
        ('FROM a | EVAL b = """ "" // """ | LOOKUP JOIN .c ON d', {"a", ".c", "ON", "d"}),
        ("FROM (FROM a | WHERE b), .c", {"FROM", "a", "|", "WHERE", "b", ".c"}),
        ("FROM a-group-b, where, .c", {"a-group-b", "where", ".c"}),
        ('SELECT x FROM "a where b*,.c" WHERE y', {"a", "where", "b*", ".c"}),
        ('FROM a | WHERE b == "from .c"', {"a"}),
        ("FROM/* | */.a | LOOKUP JOIN .b ON c", {".a", ".b", "ON", "c"}),
        ('FROM a | WHERE b RLIKE ".*x" AND c > .5', {"a"}),
        ("ROW a = 1", set()),
    ],
)
def test_whatever_may_be_the_name_of_an_index(query: str, names: set[str]) -> None:
    assert set(sources("sql" if query.startswith("SELECT") else "esql", query)) == names


@pytest.mark.parametrize(
    ("query", "said"),
    [
        *((query, "can't tell which") for query in ("FROM a,/* /* */ x */.b", "FROM a /* /* */ | */, .b", "FROM a /* , .b")),
        # Some versions of ES|QL take a quote behind FROM for a letter of the name.
        *((f"FROM *{quote}{text}, .b", "the quotes") for quote in '"`' for text in ('/*|"`|*/', '//|"`|\n', "/*|\n*/")),
        ('FROM *" /* " WHERE */ , .b', "the quotes"),
    ],
)
def test_comments_that_could_hide_a_name_are_refused(query: str, said: str) -> None:
    with pytest.raises(ToolError, match=said):
        sources("esql", query)
