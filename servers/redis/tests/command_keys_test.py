"""Which keys a command names, by our own table."""

import pytest

from servers.common.protocol.tools import ToolError
from servers.redis.policy.command_keys import FINDERS, keys_in


def found(line: str) -> list[str] | None:
    """Return the keys of a command: its name comes first, with its subcommand behind a |."""
    name, *_ = line.split()
    keys = keys_in(name, [word.encode() for word in line.replace("|", " ").split()])
    return None if keys is None else [key.decode() for key in keys]


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("get k", "k"),
        ("set k v GET", "k"),
        ("object|encoding k", "k"),
        ("del a b c", "a b c"),
        ("rename a b", "a b"),
        ("blpop a b 0", "a b"),
        ("mset a 1 b 2", "a b"),
        ("json.mset a $ 1 b $ 2", "a b"),
        ("bitop AND to a b", "to a b"),
        ("zunion 2 a b WEIGHTS 1 2", "a b"),
        ("zunion 100000" + " k" * 100_000, "k " * 100_000),
        ("blmpop 0 2 a b LEFT", "a b"),
        ("zunionstore to 2 a b", "to a b"),
        ("msetex 2 a 1 b 2 EX 5", "a b"),
        ("copy a b replace", "a b"),
        ("xread count 1 BLOCK 2 streams a 0", "a"),
        ("xreadgroup GROUP STREAMS c COUNT 1 BLOCK 5 NOACK STREAMS a b > >", "a b"),
        ("scan 0", ""),
        ("ft.info index", ""),
        ("ft.sugget k prefix", "k"),
    ],
)
def test_the_keys_of_a_command(line: str, keys: str) -> None:
    assert found(line) == keys.split()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("get", "too few arguments"),
        ("zunion 3 a b", "too few arguments"),
        ("xread COUNT 1", "too few arguments"),
        *(
            (f"zunion {number} a", f"at least 1, not '{number[:9]}")
            for number in ("x", "0", "01", "-1", "1.0", "1000000", "1" * 60)
        ),
        ("copy a b DB", "one database"),
        ("copy a b REPLACE DB", "one database"),
        ("xread SURPRISE 1 STREAMS a 0", "^'SURPRISE' is not a known option"),
        ("xread GROUP g c STREAMS a 0", "not a known option"),
        ("xread STREAMS", "as many ids"),
        ("xread STREAMS a b 0", "as many ids"),
    ],
)
def test_what_is_of_no_form_that_is_known(line: str, reason: str) -> None:
    with pytest.raises(ToolError, match=reason) as refused:
        found(line)
    assert len(str(refused.value)) < 200


def test_a_command_that_is_not_in_the_table() -> None:
    assert found("eval script 1 a") is None and "eval" not in FINDERS
