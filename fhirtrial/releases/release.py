"""A release of FHIR: R5 resources become its own, and its own become R5."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from fhirtrial.definitions import Definitions
from fhirtrial.errors import InputError, UsageError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import Issue, nearest
from fhirtrial.release_names import RELEASES, ReleaseName
from fhirtrial.releases.block import Block
from fhirtrial.releases.compiler import Compiler
from fhirtrial.releases.cross_version import CrossVersion
from fhirtrial.releases.patches import Patches
from fhirtrial.releases.prepared import Prepared
from fhirtrial.releases.run import Find, Run, nothing_at_hand
from fhirtrial.releases.systems import both_ways
from fhirtrial.releases.table import Table, load_table
from fhirtrial.releases.values import ExtensionValues, tidy
from fhirtrial.resources import Resource

COVERED = (
    "ResearchStudy",
    "Group",
    "PlanDefinition",
    "ActivityDefinition",
    "Provenance",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "Location",
    "ResearchSubject",
    "MedicationAdministration",
    "Medication",
    "Patient",
    "Encounter",
    "Consent",
)
"""The types of resources that have another form in another release."""


LEFT_OUT = ("warning", "no-r4-form")
"""Severity and code of the issues about what has no place in the other release."""

NOT_CARRIED = ("warning", "not-carried")
"""The same about what has no place in R5."""

FOLLOWED = frozenset({"Practitioner", "PractitionerRole"})
"""The types of resources that a registry record's others are looked up in: contacts have their phones there."""


class Released(NamedTuple):
    """A resource in the other release, and what was noticed on the way."""

    resource: Resource
    issues: tuple[Issue, ...]


@dataclass(frozen=True, slots=True)
class _Compiled:
    table: Table
    blocks: dict[str, Block]
    patches: Patches
    values_down: ExtensionValues
    values_up: ExtensionValues
    compiler: Callable[..., Compiler]


class Release:
    """
    R4 or R4B, ready to use both ways. Making one takes a tenth of a second; it can be used for any number of resources.

    Args:
        name: ``R4`` or ``R4B``; ``R5`` is taken too, and changes nothing.
        mappings: a folder of your own mapping files; a file there replaces the one of the same name.

    Raises:
        UsageError: there is no such release.
        MappingError: the table is wrong, with file and line.

    https://hl7.org/fhir/R5/versions.html

    >>> r4 = Release("R4")
    >>> study = {"resourceType": "ResearchStudy", "id": "a", "status": "active", "region": [{"text": "Chad"}]}
    >>> made, issues = r4.down(study)
    >>> made["location"], made["status"], issues[0].code
    ([{'text': 'Chad'}], 'approved', 'inexact-status')
    >>> r4.up(made).resource == study
    True

    """

    def __init__(self, name: str, *, mappings: str | Path | None = None) -> None:
        if name not in RELEASES:
            known = f"known: {', '.join(RELEASES)}"
            raise UsageError(f"{name!r} is no release; {nearest(name, RELEASES) or known}")
        self.name: ReleaseName = name
        self._compiled = None if name == "R5" else _compiled(MappingFiles(Path(mappings) if mappings else None), name)

    @property
    def changes(self) -> bool:
        """Whether the release is another than R5."""
        return self._compiled is not None

    def is_part_of(self, other: Release) -> bool:
        """Whether a resource of this release is one of the other as it is: R4B takes all that R4 does."""
        return self.name == other.name or (self.name == "R4" and other.name == "R4B")

    def passes(self, resource_type: str, words: frozenset[str]) -> bool:
        """Whether an R5 resource that holds no members and code systems but these is sure to be the same here."""
        if self._compiled is None:
            return True
        block = self._compiled.blocks.get(resource_type)
        return block is not None and block.passes(words) and self._compiled.values_down.are_not_in(words)

    def finishing(self, vocabulary: Mapping[str, frozenset[str]]) -> Prepared | None:
        """
        What makes this release of a mapping's resources while they are made, for `Mapper.convert`.

        ``vocabulary`` is the mapper's. None where there is nothing to do, or where it cannot be done that way.
        """
        compiled = self._compiled
        if compiled is None or not all(map(compiled.values_down.are_not_in, vocabulary.values())):
            return None
        systems = both_ways(compiled.table.systems)[0]
        # Where a code is only known with the record, its system cannot be swapped when the mapping is compiled.
        if any(f"{address}|" in words for words in vocabulary.values() for address in systems.to):
            return None
        blocks = {}
        for kind, words in vocabulary.items():
            if kind in compiled.blocks and not compiled.blocks[kind].passes(words):
                blocks[kind] = compiled.compiler(replace(compiled.table, swapped=True), words=words).block(kind, kind)
        return Prepared(self.name, blocks, systems)

    def down(
        self, resource: Resource, *, find: Find = nothing_at_hand, check: bool = False, text: bytes | None = None
    ) -> Released:
        """
        An R5 resource in this release. The given one is not changed.

        Args:
            resource: an R5 resource, also with contained ones.
            find: gives the R5 resources that it refers to, by reference: contacts and arms are looked up there.
            check: goes back at once; what would be lost is kept in our extension ``release-difference``.
            text: the resource's JSON, if it is at hand: it may save a look into all that is in it.

        Raises InputError if the resource is not FHIR-shaped.

        """
        if self._compiled is None:
            return Released(resource, ())
        run = Run(find, name_of(resource))
        patches = self._compiled.patches
        with _fhir_shaped(run.name):
            plain, kept = patches.earlier.taken_off(resource)
            made = self._step(plain, run, down=True, look=text is None or not self._compiled.values_down.passes(text))
            if check:
                # What the rows leave out is kept, and said there.
                run.issues = [issue for issue in run.issues if (issue.severity, issue.code) != LEFT_OUT]
                again = self._step(made, Run(find), down=False)
                if again != plain:
                    made = patches.kept(plain, again, made, run)
            made = patches.earlier.put_back(made, kept, run)
        return Released(made, tuple(run.issues))

    def up(
        self, resource: Resource, *, find: Find = nothing_at_hand, check: bool = False, foreign: bool = True
    ) -> Released:
        """
        A resource of this release in R5. The given one is not changed.

        Args:
            resource: a resource of this release, also with contained ones.
            find: gives the resources that it refers to, in R5.
            check: goes back at once; what would be lost is kept in our extension ``earlier-difference``.
            foreign: False leaves the values of others' extensions as they are, where nobody reads them.

        Raises InputError if the resource is not FHIR-shaped.

        """
        if self._compiled is None:
            return Released(resource, ())
        run = Run(find, name_of(resource))
        patches = self._compiled.patches
        with _fhir_shaped(run.name):
            plain, kept = patches.taken_off(resource)
            made = patches.put_back(self._step(plain, run, down=False, look=foreign), kept, run)
            if check:
                # As in `down`.
                run.issues = [issue for issue in run.issues if (issue.severity, issue.code) != NOT_CARRIED]
                again = self._step(made, Run(find), down=True)
                made = patches.earlier.kept(plain, again, made, run)
        return Released(made, tuple(run.issues))

    def _step(self, resource: Resource, run: Run, *, down: bool, look: bool = True) -> Resource:
        """``look``: whether to look for extensions whose values are others in the other release."""
        contained = resource.get("contained")
        if isinstance(contained, list) and contained:
            run.contained = {str(each.get("id")): each for each in contained}
            made = [self._one(each, run, down=down, look=look) for each in contained]
            if not down:
                run.contained = {str(each.get("id")): each for each in made}  # copies are compared with R5 forms
            resource = {**resource, "contained": made}
        return self._one(resource, run, down=down, look=look)

    def _one(self, resource: Resource, run: Run, *, down: bool, look: bool) -> Resource:
        assert self._compiled is not None
        kind = str(resource.get("resourceType"))
        block = self._compiled.blocks.get(kind)
        if block is None:
            message = f"{kind} is none of the types that have another form here: it passes as it is"
            run.say("information", "type-not-covered", message, kind)
            return resource
        if down:
            made = block.down(resource, run)
            return self._compiled.values_down.translated(made, run) if look else made
        before = len(run.issues)
        made = block.up(resource, run)
        made = self._compiled.values_up.translated(made, run) if look else made
        return tidy(made) if any(issue.code == "not-carried" for issue in run.issues[before:]) else made


@contextmanager
def _fhir_shaped(name: str) -> Iterator[None]:
    """Where a member has not the form that FHIR gives it, the rows stumble: the resource is refused."""
    try:
        yield
    except (TypeError, AttributeError, LookupError, ValueError) as error:
        message = f"the resource is not FHIR-shaped: {error}"
        raise InputError(Issue(severity="error", code="not-fhir-shaped", message=message, path=name)) from error


def name_of(resource: Resource) -> str:
    """How a resource is called in issues."""
    kind, identity = resource.get("resourceType"), resource.get("id")
    return f"{kind}/{identity}" if identity else str(kind)


_LOADED: dict[tuple[str, ...], _Compiled] = {}


def _compiled(files: MappingFiles, name: str) -> _Compiled:
    """The table of R4, which serves R4B as well, checked against the definitions of the release."""
    key = (*map(str, files.folders), name)
    if key not in _LOADED:
        table = load_table(files, "r4")
        other = Definitions.load(files, name.lower())
        cross = CrossVersion(files)
        compiler = partial(Compiler, r5=Definitions.load(files), other=other, cross=cross, files=files)
        compiled = compiler(table)
        blocks = dict(compiled.compiled(COVERED))
        assert compiled.values is not None
        _LOADED[key] = _Compiled(table, blocks, Patches(table), *compiled.values, compiler)
    return _LOADED[key]
