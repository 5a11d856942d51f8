"""HTTP statuses by name."""

from __future__ import annotations

from http import HTTPStatus


def reason(status: int) -> str:
    """
    A status with its name.

    >>> reason(409), reason(499)
    ('409 Conflict', '499')
    """
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
