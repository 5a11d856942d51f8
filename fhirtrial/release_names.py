"""The releases of FHIR that resources are made in: https://hl7.org/fhir/directory.html."""

from __future__ import annotations

from typing import Literal, get_args

ReleaseName = Literal["R4", "R4B", "R5"]
RELEASES: tuple[ReleaseName, ...] = get_args(ReleaseName)
