"""Names in clients' certificates, and files that can't be used."""

import logging
import ssl
from pathlib import Path
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


def test_new_files_that_can_not_be_used_are_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "key.pem"
    file.write_text("usable")

    def make() -> ssl.SSLContext:
        if file.read_text() != "usable":
            raise ssl.SSLError("no key")
        return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    newest = NewestContext(make, file)
    first = newest.get()
    assert newest.get() is first
    file.write_text("not usable")
    with caplog.at_level(logging.DEBUG):
        assert [newest.get(), newest.get()] == [first, first]
    assert [record.getMessage() for record in caplog.records] == ["the new certificates can't be used"]
