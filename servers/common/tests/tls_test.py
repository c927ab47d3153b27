"""Names in clients' certificates."""

from __future__ import annotations

from typing import Any

import pytest

from servers.common.http.tls import client_name

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
