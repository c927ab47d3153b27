"""Files of bearer tokens."""

import asyncio
import hashlib
import logging
from pathlib import Path

import pytest

from servers.common.http.principal import READ, WRITE, CredentialRefused, Principal
from servers.common.http.static_tokens import TokenFile, TokensError, several, single

ONE, TWO = "one-0123456789abcdef", "two-0123456789abcdef"


def caller(file: TokenFile, token: str) -> Principal:
    return asyncio.run(file.authenticate(token))


def test_a_single_token_may_do_all(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("\ufeffshort\r\n", "utf-8")  # as editors of Windows write it
    found = caller(TokenFile(path, many=False), "short")
    assert found.name == "token" and found.may(READ) and found.may(WRITE)


@pytest.mark.parametrize("text", [" \n", f"{ONE}\n{TWO}\n", "\ufeff" + ONE, "pässword-of-sixteen", "a\x00b"])
def test_a_single_token_that_nobody_can_send(text: str) -> None:
    with pytest.raises(TokensError) as raised:
        single(text)
    assert ONE not in str(raised.value)


def test_names_and_scopes(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    digest = hashlib.sha256(TWO.encode()).hexdigest()
    path.write_text(f"# name scopes token\n\ndashboard read {ONE}\noperator  write\tsha256:{digest}\n")
    file = TokenFile(path, many=True)
    assert caller(file, TWO) == Principal("operator", frozenset({WRITE})) and caller(file, TWO).may(READ)
    path.write_text(f"# name scopes token\n\ndashboard read {ONE}\noperator  read,write\tsha256:{digest}\n")
    assert caller(file, ONE) == Principal("dashboard", frozenset({READ}))
    assert caller(file, TWO) == Principal("operator", frozenset({READ, WRITE}))
    assert not caller(file, ONE).may(WRITE)
    # Some programs write digits in upper case. It is still the hash, and no token.
    path.write_text(f"operator write sha256:{digest.upper()}")
    assert caller(file, TWO).name == "operator"
    with pytest.raises(CredentialRefused):
        caller(file, f"sha256:{digest.upper()}")
    path.write_text(f"dashboard read {ONE}\noperator read,write sha256:{digest}\n")
    for wrong in ("", "x", ONE[:-1], ONE + "x", digest, f"sha256:{digest}", "\udcff"):
        with pytest.raises(CredentialRefused) as refused:
            caller(file, wrong)
        assert refused.value.status == 401


def test_a_rotated_file_is_taken_up_at_once(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"a read {ONE}")
    file = TokenFile(path, many=True)
    assert caller(file, ONE).name == "a"
    path.write_text(f"b read {TWO}")
    assert caller(file, TWO).name == "b"
    with pytest.raises(CredentialRefused, match="wrong"):
        caller(file, ONE)


@pytest.mark.parametrize("content", [None, b"", b"a read", b"\xff\xfe"])
def test_a_file_that_can_not_be_used_lets_nobody_in_and_tells_no_token(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"a read {ONE}")
    file = TokenFile(path, many=True)
    file.load()
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with caplog.at_level(logging.DEBUG), pytest.raises(CredentialRefused) as refused:
        caller(file, ONE)
    assert refused.value.status == 503
    assert ONE not in caplog.text + str(refused.value) and "can't be used" in caplog.text
    caplog.clear()
    with pytest.raises(CredentialRefused):
        caller(file, ONE)
    assert not caplog.records, "a client does not fill the log"
    path.write_text(f"a read {ONE}")
    assert caller(file, ONE).name == "a"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has no token"),
        ("# none\n", "has no token"),
        (f"a read {ONE} more", "line 1 is not NAME SCOPES TOKEN"),
        (f"\na {ONE}", "line 2 is not"),
        (f"a admin {ONE}", "line 1: scopes must be"),
        (f"a read, {ONE}", "line 1: scopes must be"),
        (f"a/b read {ONE}", "line 1: a name must be unique"),
        (f"a read {ONE}\na read {TWO}", "line 2: a name must be unique"),
        (f"a read {ONE}\nb write {ONE}", "line 2: another line has the same token"),
        ("a read 0123456789", "line 1: the token is shorter"),
        ("a read pässword-of-sixteen", "line 1: the token is shorter than 16 characters, or is not ASCII"),
        ("a read sha256:9f86d081884c7d659a2f", "line 1: a SHA-256 has 64"),
        (f"a read SHA256={ONE}\nb read SHA256:{ONE}", "line 2: a SHA-256 has 64"),
    ],
)
def test_what_is_wrong_is_told_without_a_token(text: str, problem: str) -> None:
    with pytest.raises(TokensError) as raised:
        several(text)
    assert problem in str(raised.value)
    assert ONE not in str(raised.value) and TWO not in str(raised.value)


def test_a_token_may_have_a_login_at_the_store(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"a read {ONE} us%3Aer:p%40s%20s:x\nb read {TWO}")
    login = caller(TokenFile(path, many=True, logins="USER:PASSWORD"), ONE).login
    assert login and (login.username, login.password.reveal()) == ("us:er", "p@s s:x")
    assert "p@s s" not in repr(login)
    assert caller(TokenFile(path, many=True, logins="USER:PASSWORD"), TWO).login is None
    path.write_text(f"a read {ONE} a2V5OmtleQ==\nb read {TWO} us:er")
    keys = TokenFile(path, many=True, logins="USER:PASSWORD or API_KEY")
    login, user = caller(keys, ONE).login, caller(keys, TWO).login
    assert login and (login.username, login.password.reveal()) == ("", "a2V5OmtleQ==")
    assert user and user.username == "us"
    with pytest.raises(TokensError, match="line 1: a user name can't have a colon"):  # as HTTP would end it there
        several(f"a read {ONE} us%3Aer:canary", logins="USER:PASSWORD or API_KEY")
    # A server that can't use logins must not give such a token the rights of its own.
    with pytest.raises(TokensError, match=r"line 1 is not NAME SCOPES TOKEN$"):
        TokenFile(path, many=True).load()


@pytest.mark.parametrize("login", ["user", "user:", ":canary", ":", "%ff:canary"])
def test_a_login_that_can_not_be_used_is_told_without_it(login: str) -> None:
    with pytest.raises(TokensError, match="line 1: a login") as raised:
        several(f"a read {ONE} {login}", logins="USER:PASSWORD")
    assert "canary" not in str(raised.value)
