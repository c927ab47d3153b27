"""Names in clients' certificates, and files that can't be used."""

import logging
import ssl
from typing import Any

import pytest

from servers.common.http.tls import NewestContext, client_name

SUBJECT = ((("organizationName", "dox"),), (("commonName", "common"),))


@pytest.mark.parametrize(
    ("certificate", "name"),
    [
        ({"subject": SUBJECT}, "common"),
        ({"subject": SUBJECT, "subjectAltName": (("DNS", "a.example"), ("DNS", "b.example"))}, "a.example"),
        ({"subject": SUBJECT, "subjectAltName": (("DNS", "a.example"), ("URI", "spiffe://dox/a"))}, "spiffe://dox/a"),
        ({"subject": ()}, "unnamed"),
        ({}, "unnamed"),
    ],
)
def test_who_a_certificate_was_made_for(certificate: dict[str, Any], name: str) -> None:
    assert client_name(certificate) == name


class Files:
    """Files that are other ones at each look, and that can be used only at first."""

    def __init__(self) -> None:
        self.looks = 0

    def stamp(self) -> tuple[Any, ...]:
        self.looks += 1
        return (self.looks,)

    def context(self) -> ssl.SSLContext:
        if self.looks > 1:
            raise ssl.SSLError("no key")
        return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


def test_new_files_that_can_not_be_used_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    newest = NewestContext(Files())
    first = newest.get()
    with caplog.at_level(logging.DEBUG):
        assert [newest.get(), newest.get()] == [first, first]
    assert [record.getMessage() for record in caplog.records] == ["the new certificates can't be used"]
