"""What a record became: its FHIR resources, as text, dicts, models or a bundle, and the issues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import orjson

from fhirtrial.errors import UsageError
from fhirtrial.identity import identity_of
from fhirtrial.issue import Issue
from fhirtrial.record import Record

if TYPE_CHECKING:
    from fhir_core.fhirabstractmodel import FHIRAbstractModel as Model

BundleType = Literal["transaction", "collection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """
    The FHIR resources of one record.

    ``texts`` holds the JSON of each by reference (``"Location/…"``), the study first, then what others refer to before
    what refers. ``base`` is the address under which this library names things, ``release`` that of FHIR which the
    resources are for: ``R5``, ``R4`` or ``R4B``. ``vocabulary`` says of each type of resource which members and code
    systems can be in it at all, where that is known.
    """

    record: Record
    texts: Mapping[str, bytes]
    issues: tuple[Issue, ...]
    base: str
    release: str = "R5"
    vocabulary: Mapping[str, frozenset[str]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def resources(self) -> list[dict[str, Any]]:
        """The resources as dicts, made anew at each call: editing them changes nothing else."""
        return [orjson.loads(text) for text in self.texts.values()]

    def models(self) -> list[Model]:
        """
        The resources as `fhir.resources` objects of their release; those of R4 are R4B's, which allow all that R4 does.

        Raises pydantic's ValidationError if a resource is not valid, which would be a defect of the mapping; or, in R4,
        if something stands beside the value of an extension (a registry's odd value), which these models do not know.
        """
        if self.release == "R5":
            from fhir.resources import get_fhir_model_class
        else:
            from fhir.resources.R4B import get_fhir_model_class

        return [get_fhir_model_class(found["resourceType"]).model_validate(found) for found in self.resources]

    def ndjson(self) -> bytes:
        """The resources, one to a line. https://hl7.org/fhir/R5/nd-json.html"""
        return b"\n".join([*self.texts.values(), b""])

    def bundle(self, type: BundleType = "transaction") -> dict[str, Any]:
        """
        The resources as one Bundle. https://hl7.org/fhir/R5/bundle.html

        In a transaction each is updated by its business identifier, so that sending it again changes nothing; where
        the server has none it creates the resource under the id in its body. Provenance has no identifier: by id.

        Raises UsageError for another type.
        """
        if type not in ("transaction", "collection"):
            raise UsageError(f"a bundle is a 'transaction' or a 'collection', not {type!r}")
        entry = []
        for resource in self.resources:
            reference = f"{resource['resourceType']}/{resource['id']}"
            made: dict[str, Any] = {"fullUrl": self.base + reference, "resource": resource}
            if type == "transaction":
                made["request"] = {"method": "PUT", "url": identity_of(resource).condition}
            entry.append(made)
        return {"resourceType": "Bundle", "type": type, "entry": entry}
