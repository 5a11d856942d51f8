"""What is read from a CapabilityStatement, and that nothing is written in the wrong release."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirtrial.errors import UsageError
from fhirtrial.server import errors
from fhirtrial.server.dialect import Dialect, TypeAbilities, read_dialect
from tests.server.tools import BASE, client, put, transaction

PLACE = {"resourceType": "Location", "id": "a"}


def statement(name: str = "", version: str = "4.0.1", **abilities: Any) -> dict[str, Any]:
    """A CapabilityStatement that knows Location."""
    return {
        "resourceType": "CapabilityStatement",
        "fhirVersion": version,
        "software": {"name": name, "version": "8.8.0"},
        "rest": [
            {"mode": "client", "resource": [{"type": "Group", "updateCreate": True}]},
            {
                "mode": "server",
                "interaction": [{"code": "transaction"}, {"code": "history-system"}],
                "resource": [{"type": "Location", **abilities}],
            },
        ],
    }


ALL = {"conditionalCreate": True, "conditionalUpdate": True, "updateCreate": True}
NO_CONDITIONAL_UPDATE = {**ALL, "conditionalUpdate": False}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            statement("HAPI FHIR Server", **ALL),
            ("HAPI", "conditional-update", "full", 100, None, 2),
        ),
        (statement("Smile CDR", **ALL), ("HAPI", "conditional-update", "full", 100, None, 2)),
        (statement("Blaze", **NO_CONDITIONAL_UPDATE), ("Blaze", "update-by-id", "bare", 100, None, 1)),
        (statement("medplum", **ALL), ("Medplum", "conditional-update", "bare", 8, 50, 2)),
        (statement("Microsoft FHIR Server", **ALL), ("Azure", "conditional-update", "bare", 100, 500, 2)),
        (statement("Azure Health Data Services", **ALL), ("Azure", "conditional-update", "bare", 100, 500, 2)),
        (statement("Firely Server", **ALL), ("unknown", "conditional-update", "bare", 50, None, 2)),
        (statement("", updateCreate=True), ("unknown", "update-by-id", "bare", 50, None, 2)),
        (statement("", conditionalCreate=True), ("unknown", "search-first", "bare", 50, None, 2)),
        (
            {"implementation": {"description": "Our HAPI server"}, "fhirVersion": "4.0.1"},
            ("HAPI", "update-by-id", "full", 100, None, 2),
        ),
        ({"publisher": "Microsoft"}, ("Azure", "update-by-id", "bare", 100, 500, 2)),
        ({}, ("unknown", "update-by-id", "bare", 50, None, 2)),
    ],
)
def test_families(found: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """Each family of servers has its limits; how a resource is written follows from what the server says it can."""
    made = read_dialect(found)

    assert (
        made.server,
        made.upsert("Location"),
        made.if_none_exist,
        made.entries,
        made.most_entries,
        made.workers,
    ) == expected


def test_what_is_read() -> None:
    """Software, version, release and transactions are read; only the server's side counts."""
    made = read_dialect(statement("HAPI FHIR Server", "5.0.0", conditionalCreate=True))

    assert (made.software, made.version, made.fhir_version, made.release) == (
        "HAPI FHIR Server",
        "8.8.0",
        "5.0.0",
        "R5",
    )
    assert made.transactions
    assert made.abilities("Location") == TypeAbilities(conditional_create=True)
    assert made.abilities("Group") == TypeAbilities()


def test_transactions() -> None:
    """A server that lists what it does, and transactions are not among it, does not do them."""
    assert not read_dialect({"rest": [{"interaction": [{"code": "batch"}]}]}).transactions
    assert read_dialect({"rest": [{"interaction": []}]}).transactions


_JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["rest", "mode", "resource", "type", "interaction", "code", "software", "name", "fhirVersion"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_JSON, _JSON, _JSON)
def test_any_shape(rest: Any, software: Any, resource: Any) -> None:
    """Whatever a server says of itself, reading it raises nothing."""
    made = read_dialect({"rest": rest, "software": software, "implementation": software, "publisher": rest})
    again = read_dialect({"rest": [{"resource": resource, "interaction": resource}], "fhirVersion": software})

    assert made.upsert("Location") in ("update-by-id", "search-first")
    assert again.upsert("Location") in ("update-by-id", "search-first")


WRITES = {
    "create": lambda one: one.create(PLACE),
    "update": lambda one: one.update(PLACE),
    "delete": lambda one: one.delete("Location", "a"),
    "transaction": lambda one: one.transaction(transaction(put())),
    "batch": lambda one: one.batch(transaction(put(), kind="batch")),
    "validate": lambda one: one.validate(PLACE),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    ("version", "release", "text"),
    [
        ("4.0.1", "R5", "speaks FHIR 4.0.1 (R4), and the resources are in R5: use --to R4; nothing was written"),
        ("5.0.0", "R4", "speaks FHIR 5.0.0 (R5), and the resources are in R4: use --to R5; nothing was written"),
        ("4.3.0", "R4", "speaks FHIR 4.3.0 (R4B), and the resources are in R4: use --to R4B; nothing was written"),
        (
            "3.0.2",
            "R4",
            "speaks FHIR 3.0.2 (STU3), and the resources are in R4: there is --to R4, R4B, R5 only; nothing was written",
        ),
        (
            "9.9",
            "R4",
            "speaks FHIR 9.9, and the resources are in R4: there is --to R4, R4B, R5 only; nothing was written",
        ),
        ("", "R4", "does not say which version of FHIR it speaks"),
    ],
)
def test_wrong_release(server: Any, write: str, version: str, release: str, text: str) -> None:
    """Before anything is written in another release than the server's, it is refused, and the option is named."""
    server.get(f"{BASE}/metadata", json=statement(version=version))
    with pytest.raises(errors.WrongVersion) as caught, client(release=release) as one:
        WRITES[write](one)

    assert str(caught.value) == f"{BASE} {text}"
    assert [call.request.method for call in server.calls] == ["GET"]


def test_right_release_is_asked_once(server: Any) -> None:
    """The release is compared once; a dialect that is given spares asking; without a release nothing is asked."""
    server.get(f"{BASE}/metadata", json=statement())
    server.put(f"{BASE}/Location/a", status=200)
    with client(release="R4") as one:
        one.update(PLACE)
        one.update(PLACE)
        assert one.dialect.release == "R4"
    assert [call.request.method for call in server.calls] == ["GET", "PUT", "PUT"]
    with client(release="R4", dialect=replace(Dialect(), fhir_version="4.0.1")) as one:
        one.update(PLACE)
    with client() as one:
        one.update(PLACE)
    assert [call.request.method for call in server.calls] == ["GET", "PUT", "PUT", "PUT", "PUT"]


def test_unknown_release() -> None:
    """A release that is none is refused when the client is made."""
    with pytest.raises(UsageError, match=r"^'R3' is no release; known are R4, R4B, R5$"):
        client(release="R3")


def test_no_capability_statement(server: Any) -> None:
    """An address that answers something else is not taken for a FHIR server."""
    server.get(
        f"{BASE}/metadata", body="<html>Welcome</html>", content_type="text/html", headers={"X-Request-ID": "r1"}
    )
    with pytest.raises(errors.UnexpectedAnswer) as caught, client(release="R4") as one:
        one.update(PLACE)

    assert str(caught.value) == (
        "capabilities: 200 OK, but the answer is text/html, no CapabilityStatement; is this a FHIR server's address? "
        "(request r1)"
    )
    assert len(server.calls) == 1


def test_hook_may_ask_for_the_dialect(server: Any) -> None:
    """What is called before a resend may use the client, also while that finds out what the server is."""
    server.get(f"{BASE}/metadata", status=503)
    server.get(f"{BASE}/metadata", json=statement("HAPI"))
    seen: list[str] = []
    one = client(noticed=lambda _: seen.append(one.dialect.server))

    assert one.dialect.server == "HAPI"
    assert seen == ["HAPI"]
