"""A record's resources, made for R5, in another release."""

from __future__ import annotations

from dataclasses import replace

import orjson

from fhirtrial.conversion import Conversion
from fhirtrial.errors import UsageError
from fhirtrial.issue import Issue
from fhirtrial.releases.release import Release
from fhirtrial.resources import Resource


def released(conversion: Conversion, release: Release, *, verify: bool = False) -> Conversion:
    """
    What a record became, in another release.

    Args:
        conversion: from `Mapper.convert`; its resources refer to each other.
        release: the release that is wanted.
        verify: makes R5 of it again and compares; a difference is an issue, and an error.

    Raises UsageError if the resources are in a release that is neither R5 nor the one that is wanted.

    """
    if not release.changes or conversion.release == release.name:
        return conversion
    if conversion.release != "R5":
        raise UsageError(f"the resources are {conversion.release} already; convert the record to {release.name}")
    step = _Step(conversion, release)
    texts = {reference: step.text(reference, text) for reference, text in conversion.texts.items()}
    if verify:
        step.verify(texts)
    issues = (replace(each, record=conversion.record.id, place=str(conversion.record.origin)) for each in step.issues)
    return replace(conversion, texts=texts, issues=(*conversion.issues, *issues), release=release.name)


class _Step:
    """One conversion on its way: each text is parsed only if something in it may change, or if it is looked up."""

    def __init__(self, conversion: Conversion, release: Release) -> None:
        self.texts = conversion.texts
        self.vocabulary = conversion.vocabulary
        self.release = release
        self.issues: list[Issue] = []
        self._parsed: dict[str, Resource] = {}

    def find(self, reference: str) -> Resource | None:
        """The R5 resource that a reference means."""
        if reference not in self._parsed:
            text = self.texts.get(reference)
            if text is None:
                return None
            self._parsed[reference] = orjson.loads(text)
        return self._parsed[reference]

    def text(self, reference: str, text: bytes) -> bytes:
        """The text of a resource in the release."""
        kind = reference.partition("/")[0]
        if kind in self.vocabulary and self.release.passes(kind, self.vocabulary[kind]):
            return text
        resource = self.find(reference)
        assert resource is not None
        made = self.release.down(resource, find=self.find, text=text)
        self.issues += made.issues
        return text if made.resource is resource else orjson.dumps(made.resource)

    def verify(self, texts: dict[str, bytes]) -> None:
        """Notes each resource that does not come back as it was."""
        for reference, text in texts.items():
            again = self.release.up(orjson.loads(text), find=self.find, foreign=False).resource
            wanted = orjson.loads(self.texts[reference])
            for name in sorted(again.keys() | wanted.keys()):
                if again.get(name) != wanted.get(name):
                    message = f"what {self.release.name} holds of it does not come back the same"
                    path = f"{reference}.{name}"
                    self.issues.append(Issue(severity="error", code="not-restored", message=message, path=path))
