"""Licences of Debian packages and of wheels as SPDX expressions."""

import email.message

import pytest

from bazel.sbom import licences

HEAD = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"


def copyright_file(*names: str, text: str = "") -> str:
    files = "".join(f"Files: {i}/*\nCopyright: someone\nLicense: {name}\n\n" for i, name in enumerate(names))
    return HEAD + files + text


@pytest.mark.parametrize(
    ("names", "expression"),
    [
        (["Expat"], "MIT"),
        (["GPL-2+", "LGPL-2.1+", "GPL-3"], "GPL-2.0-or-later AND GPL-3.0-only AND LGPL-2.1-or-later"),
        (["Artistic or GPL-1+"], "(Artistic-1.0-Perl OR GPL-1.0-or-later)"),
        (["BSD-3-clause and Apache-2.0", "BSD-3-clause"], "(BSD-3-Clause AND Apache-2.0) AND BSD-3-Clause"),
    ],
)
def test_names_of_dep_5(names: list[str], expression: str) -> None:
    assert licences.debian("p", copyright_file(*names)) == (expression, {})


def test_a_name_that_spdx_lacks_has_its_text() -> None:
    found = licences.debian("p", copyright_file("own-1", "Expat", text="License: own-1\n Do what you like.\n"))
    assert found.expression == "LicenseRef-debian-p-own-1 AND MIT"
    assert list(found.texts) == ["LicenseRef-debian-p-own-1"]
    assert "Do what you like." in found.texts["LicenseRef-debian-p-own-1"]


def test_an_exception_is_told_in_the_files_words() -> None:
    found = licences.debian("p", copyright_file("GPL-2+ with OpenSSL exception"))
    assert found.expression == "LicenseRef-debian-p-GPL-2-with-OpenSSL-exception"


def test_a_file_for_people_is_a_reference_with_its_text() -> None:
    found = licences.debian("libc6", "This is the Debian package of the GNU C Library.\n")
    assert found == (
        "LicenseRef-debian-libc6",
        {"LicenseRef-debian-libc6": "This is the Debian package of the GNU C Library.\n"},
    )


@pytest.mark.parametrize(
    ("fields", "expression"),
    [
        ([("License-Expression", "Apache-2.0 OR BSD-3-Clause"), ("License", "x")], "Apache-2.0 OR BSD-3-Clause"),
        ([("License", "MIT")], "MIT"),
        (
            [("License", "MIT License\n\nPermission is ..."), ("Classifier", "License :: OSI Approved :: MIT License")],
            "MIT",
        ),
        ([("License", "Dual"), ("Classifier", "License :: OSI Approved :: MIT License")], "MIT"),
        ([("License", "Own")], "LicenseRef-pypi-w"),
        ([], "NOASSERTION"),
    ],
)
def test_metadata_of_wheels(fields: list[tuple[str, str]], expression: str) -> None:
    metadata = email.message.Message()
    for name, value in [("Name", "w"), *fields]:
        metadata[name] = value
    assert licences.wheel(metadata).expression == expression
