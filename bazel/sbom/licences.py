"""Licences of packages as SPDX expressions.

Debian: the machine-readable copyright file of copyright-format 1.0 (DEP 5), whose short names are near SPDX's. Wheels: the
core metadata of packaging.python.org (PEP 639 and before). A licence that SPDX's list lacks is a LicenseRef with its text.
"""

import re
import warnings
from collections.abc import Iterable
from email.message import Message
from typing import Any, NamedTuple

from debian.copyright import Copyright, NotMachineReadableError
from license_expression import ExpressionError, get_spdx_licensing

NOASSERTION = "NOASSERTION"
SPDX = get_spdx_licensing()
_IDS = {key.lower(): key for key in SPDX.known_symbols}

_DEBIAN_NAMES = {
    "artistic": "Artistic-1.0-Perl",
    "bsd": "BSD-3-Clause",
    "expat": "MIT",
    "mit/x11": "MIT",
    "zlib/libpng": "Zlib",
    "psf-2": "PSF-2.0",
}
"""Short names of DEP 5 in lower case that SPDX calls otherwise, beside those of _GNU."""

_GNU = re.compile(r"(a?gpl|lgpl|gfdl)-(\d)(?:\.(\d))?(\+)?$", re.I)

_CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
    "License :: OSI Approved :: The Unlicense (Unlicense)": "Unlicense",
}
"""Classifiers that name one licence; "BSD License" and the like name several."""


class Licence(NamedTuple):
    expression: str  # of SPDX, or NOASSERTION
    texts: dict[str, str]  # of each LicenseRef in the expression


def spdx_id(name: str) -> str | None:
    """The identifier of SPDX for one licence's name in Debian or on PyPI; None where SPDX's list has none."""
    if known := _DEBIAN_NAMES.get(name.lower()):
        return known
    if match := _GNU.match(name):
        family, major, minor, later = match.groups()
        return f"{family.upper()}-{major}.{minor or 0}-{'or-later' if later else 'only'}"
    return _IDS.get(name.lower())


def reference(name: str) -> str:
    """The LicenseRef of a name that SPDX's list lacks."""
    return "LicenseRef-" + re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")


def _named(paragraphs: Iterable[Any]) -> list[Any]:
    """The licences (debian.copyright.License) of paragraphs that name one."""
    return [p.license for p in paragraphs if p.license and p.license.synopsis]


def debian(package: str, copyright_file: str) -> Licence:
    """Return the licence of all files of a Debian package together, by its /usr/share/doc/PACKAGE/copyright."""
    whole = reference(f"debian-{package}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = Copyright(copyright_file.splitlines(), strict=False)
            named = _named(parsed.all_files_paragraphs())
            texts = {licence.synopsis: licence.text for licence in _named(parsed.all_license_paragraphs())}
    except (NotMachineReadableError, ValueError):
        return Licence(whole, {whole: copyright_file})
    if not named:
        return Licence(whole, {whole: copyright_file})
    expressions, references = set(), {}
    for licence in named:
        synopsis = " ".join(licence.synopsis.split())
        words = re.split(r"(\s*,?\s+(?:and|or)\s+)", synopsis)
        ids = [spdx_id(word.strip(" ,")) for word in words[::2]]
        if None in ids or re.search(r"\bwith\b|,\s*\w+\s*,", synopsis):
            # An exception, or a name of the package's own: told in the file's words.
            name = reference(f"debian-{package}-{synopsis}")
            references[name] = licence.text or texts.get(synopsis) or f"{synopsis}: see /usr/share/doc/{package}/copyright"
            expressions.add(name)
        else:
            operators = [word.strip(" ,").upper() for word in words[1::2]]
            text = "".join(f"{i} {op} " for i, op in zip(ids, [*operators, ""], strict=True)).strip()
            expressions.add(f"({text})" if operators else text)
    return Licence(" AND ".join(sorted(expressions)), references)


def wheel(metadata: Message) -> Licence:
    """The licence that a wheel's METADATA declares: License-Expression, else an expression in License, else classifiers."""
    for field in ("License-Expression", "License"):
        text = (metadata.get(field) or "").strip()
        if not text or "\n" in text:
            continue
        if known := spdx_id(text):
            return Licence(known, {})
        try:
            return Licence(str(SPDX.parse(text, validate=True, strict=True)), {})
        except (ExpressionError, ValueError):
            pass
    named = {_CLASSIFIERS[c] for c in metadata.get_all("Classifier", []) if c in _CLASSIFIERS}
    if named:
        return Licence(" OR ".join(sorted(named)), {})
    text = (metadata.get("License") or "").strip()
    if text:
        name = reference(f"pypi-{metadata['Name']}")
        return Licence(name, {name: text})
    return Licence(NOASSERTION, {})
