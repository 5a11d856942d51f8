"""What the tests of the server side ask for by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import responses


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    """A server whose answers a test gives beforehand; not all of them need to be asked for."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock
