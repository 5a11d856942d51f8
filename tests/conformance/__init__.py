"""
Checks finished R5 resources, independently of the code that makes them: used by the tests only.

It reads HL7's definitions as they stand in ``mappings/fhir/r5.json`` (compared with HL7's files by
``test_definitions.py``) and the tables beside this file, but nothing of the package ``fhirtrial``.
"""

from __future__ import annotations

from .scope import Refs
from .structure import problems

__all__ = ["Refs", "problems"]
