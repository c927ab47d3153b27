"""Texts name only tools that are listed."""

import pytest

from servers.common.protocol.mentions import Mentions

MENTIONS = Mentions(("es_get", "es_get_many", "es_query", "es_search"), lambda name: name == "es_search")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("it is refused: use es_search", "it is refused: use es_search"),
        ("it is refused: use es_get", "it is refused"),
        ("it is refused: it is wrong; es_get reads it", "it is refused: it is wrong"),
        ("it has no name: es_query lists names; * means all", "it has no name: * means all"),
        ("did you mean a or b? es_get lists all", "did you mean a or b?"),
        ("Reads a store. Copy by es_get. Ask es_search. Then es_query.", "Reads a store. Ask es_search."),
        ("Reads a store. Copy by es_get. Ask es_search.", "Reads a store. Ask es_search."),
        ("es_get_many failed", "es_get_many failed"),
        ("there is no 'es_get': it is 'es_get_x' or es_getter", "there is no 'es_get': it is 'es_get_x' or es_getter"),
        ("the store answered: no such index [es_query]; es_get helps", "the store answered: no such index [es_query]"),
        ("there is no path /es_query: look", "there is no path /es_query: look"),
    ],
)  # fmt: skip
def test_clauses_that_name_unlisted_tools_are_left_out(text: str, told: str) -> None:
    assert MENTIONS.told(text) == told


def test_steps_are_numbered_anew() -> None:
    text = "1. es_get: its name. 2. es_search: its size; es_query for more. 3. Try 8.11 or 9. 4. es_search: again."
    assert MENTIONS.steps(text) == "1. es_search: its size. 2. Try 8.11 or 9. 3. es_search: again."
