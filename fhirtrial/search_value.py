"""Texts as parts of FHIR search values."""

from __future__ import annotations

import re

_SIGN = re.compile(r"([\\,$|])")


def escaped(text: str) -> str:
    r"""
    A text in which ``,``, ``$``, ``|`` and ``\`` mean themselves: https://hl7.org/fhir/R5/search.html#escaping.

    >>> escaped("a,b|c$d\\e")
    'a\\,b\\|c\\$d\\\\e'
    """
    return _SIGN.sub(r"\\\1", text)
