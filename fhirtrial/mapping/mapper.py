"""The mapper: records become FHIR resources, and resources become records."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from fhirtrial.conversion import Conversion
from fhirtrial.dates import zone_of
from fhirtrial.errors import InputError, RestoreError, UsageError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import Issue
from fhirtrial.mapping.beside import takes_study, with_study
from fhirtrial.mapping.engine import Engine
from fhirtrial.mapping.forth.finishing import Finishing
from fhirtrial.mapping.forth.run import NOTHING
from fhirtrial.mapping.language.asked import checked
from fhirtrial.mapping.language.mapping import Mapping, load_mapping
from fhirtrial.mapping.older import official_identifier, with_official_identifier
from fhirtrial.mapping.verify import verify_back, verify_forth
from fhirtrial.mapping.vocabulary import vocabularies
from fhirtrial.mapping.withhold import Withheld
from fhirtrial.record import Origin, Record
from fhirtrial.resources import Resource, Resources
from fhirtrial.single_doses import with_single_doses


class Mapper:
    """
    A mapping ready to use, both ways. Making one takes a tenth of a second; it can be used for any number of records.

    Args:
        mappings: a folder of your own mapping files; a file there replaces the one of the same name.
        contacts: False leaves out the names, phones and e-mails of contacts, and says how many values that were.
        registry: whose records are mapped: ``ctgov`` (studies), ``sdtm`` or ``roster`` (subjects).
        without: what else is left out of subjects, and said: ``sex``, ``race`` (with ethnicity).
        asked: what is made besides: ``us-core-race``, race and ethnicity of subjects as US Core has them on a Patient.

        zone: the time zone of times that say none, as ``Europe/Berlin`` or ``+08:00``: they get its offset, and come
            back without it. Without a zone only their date stays in the element; the whole is always beside it.

    Raises MappingError, with file and line, if a mapping file is wrong; UsageError for an unknown zone, and for what
    can be neither left out nor asked for.

    """

    def __init__(
        self,
        *,
        mappings: str | Path | None = None,
        contacts: bool = True,
        registry: str = "ctgov",
        without: Iterable[str] = (),
        asked: Iterable[str] = (),
        zone: str = "",
    ) -> None:
        files = MappingFiles(Path(mappings) if mappings is not None else None)
        self.mapping: Mapping = load_mapping(files, registry, asked=checked(asked))
        self.engine = Engine(self.mapping, zone_of(zone) if zone else None)
        self.vocabulary = vocabularies(self.mapping)
        known = [leaf.path for leaf in self.mapping.schema.leaves()]
        names = [*([] if contacts else ["contacts"]), *without]
        self._withheld = [Withheld(files, registry, name, known) for name in names]
        self._fields = self.mapping.schema.tree
        self._official = official_identifier(self.mapping)

    def convert(
        self,
        record: Record,
        *,
        study: Record | None = None,
        verify: bool = False,
        skip: Container[str] = NOTHING,
        finishing: Finishing | None = None,
        explode: bool = False,
    ) -> Conversion:
        """
        The FHIR resources of a record: R5, unless ``finishing`` makes another release of them.

        Args:
            record: from `read`, which has checked it.
            study: the registry's record of the study that a subject is in: arm, interventions and study are tied to
                it by name, and what it does not have is an issue.
            verify: restores what was made and compares it with the record; a difference is an issue.
            finishing: what makes another release of the resources while they are made, as `Release.finishing` gives
                it; nothing is verified then.
            skip: references (``"Location/…"``) of shared resources that need not be made again.
            explode: adds to each interval of dosing the single doses that follow from it: see `with_single_doses`. Not
                together with ``finishing``.

        Raises InputError if the record cannot be mapped because it has not been checked, UsageError for ``explode``
        with ``finishing``.

        """
        if explode and finishing is not None:
            raise UsageError("single doses are made of R5: make the other release of it afterwards")
        data, issues = record.data, list(record.issues)
        for withheld in self._withheld:
            data, count = withheld.without(data)
            if count:
                issues.append(Issue(severity="information", code="withheld", message=withheld.said(count)))
        if study is not None and takes_study(self._fields):
            try:
                data = with_study(data, study, self._fields)
            except InputError as error:
                raise InputError(located(error.issue, record)) from error
        sound = record.sound and (study is None or study.sound)
        try:
            places: dict[str, str] | None = {} if explode else None
            texts, found = self.engine.forth(data, skip, sound=sound, finishing=finishing, places=places)
        except (TypeError, AttributeError, LookupError, ValueError) as error:
            raise InputError(self._unchecked(record, error)) from error
        if found:
            said = {(issue.code, issue.path) for issue in found}
            issues = [issue for issue in issues if (issue.code, issue.path) not in said] + found
        conversion = Conversion(
            record=record,
            texts=texts,
            issues=(),
            base=self.mapping.base,
            release="R5" if finishing is None else finishing.release,
            vocabulary=self.vocabulary,
        )
        if places is not None:
            conversion = with_single_doses(conversion, places)
            issues += conversion.issues
        if verify and finishing is None:
            issues += verify_forth(self.mapping.schema.wanted(data), self.restore(conversion.resources).data)
        if issues:
            conversion = replace(conversion, issues=tuple(located(issue, record) for issue in issues))
        return conversion

    def restore(self, resources: Iterable[Resource] | Resource | Resources, *, verify: bool = False) -> Record:
        """
        The record that resources stand for: one study and all that it refers to, in any order.

        Args:
            resources: dicts, a Bundle, or an index of them; a server's own ids, meta and narrative do not matter.
            verify: makes FHIR of the record again and compares; what no line reads, and copies that disagree with what
                was read, are issues.

        Raises RestoreError if there is no study, more than one, or something that is not FHIR-shaped.

        """
        index = as_index(resources)
        main = self.mapping.files[self.mapping.main]
        mains = index.of_type.get(main.resource, [])
        if len(mains) != 1:
            count = "no" if not mains else str(len(mains))
            kind = main.identity.kind
            hint = "restore_all() takes several" if mains else f"the {kind} itself must be among the resources"
            message = f"there is {count} {main.resource} among the resources, where one is wanted"
            raise RestoreError(Issue(severity="error", code=f"no-single-{kind}", message=message, hint=hint))
        beside = self.engine.besides.of(index).get(id(mains[0]), [])
        return self._restored(mains[0], beside, index, verify=verify)

    def restore_all(
        self, resources: Iterable[Resource] | Resource | Resources, *, verify: bool = False
    ) -> Iterator[Record]:
        """The records of all studies among the resources, in their order. Raises RestoreError as `restore` does."""
        index = as_index(resources)
        besides = self.engine.besides.of(index)
        for main in index.of_type.get(self.mapping.files[self.mapping.main].resource, ()):
            yield self._restored(main, besides.get(id(main), []), index, verify=verify)

    def _restored(self, main: Resource, beside: list[Resource], index: Resources, *, verify: bool) -> Record:
        place = f"{main.get('resourceType')}/{main.get('id', '?')}"
        study, older = with_official_identifier(main, self.mapping, self._official)
        try:
            data, found = self.engine.back(study, beside, index.find)
        except (TypeError, AttributeError, LookupError, ValueError) as error:
            message = f"the resources are not FHIR-shaped: {error}"
            issue = Issue(severity="error", code="not-fhir-shaped", message=message, place=place)
            raise RestoreError(issue) from error
        found += older
        for each in self.mapping.beside:
            kind = self.mapping.files[each.file].resource
            # Of a list there may be nothing; a resource that every record has is missed.
            if each.source is None and not any(resource["resourceType"] == kind for resource in beside):
                message = f"no {kind} points at the {self.mapping.files[self.mapping.main].identity.kind}"
                message += ": what it holds is missing"
                found.append(Issue(severity="information", code="unresolved", message=message))
        identity = self.mapping.schema.id
        value: Any = data
        for key in identity.path:
            value = value.get(key) if isinstance(value, dict) else None
        if not isinstance(value, str):
            message = f"no identifier of the registry: {'.'.join(identity.path)} cannot be restored"
            hint = f"an identifier like {identity.example}"
            issue = Issue(severity="error", code="no-id", message=message, hint=hint, place=place)
            raise RestoreError(issue)
        record = Record(registry=self.mapping.registry, id=value, data=data, origin=Origin(file=place))
        if verify:
            made = Resources(self.convert(record).resources)
            found += verify_back(main, beside, index, made)
        return replace(record, issues=tuple(located(issue, record) for issue in found)) if found else record

    def _unchecked(self, record: Record, error: Exception) -> Issue:
        _, issues = self.mapping.schema.check(record.data)
        wrong = next((issue for issue in issues if issue.severity == "error"), None)
        if wrong is not None:
            return located(wrong, record)
        message = f"the record cannot be mapped: {type(error).__name__}: {error}"
        hint = "records from read() have been checked"
        return located(Issue(severity="error", code="unchecked", message=message, hint=hint), record)


def as_index(resources: Iterable[Resource] | Resource | Resources) -> Resources:
    """An index over what was given."""
    if isinstance(resources, Resources):
        return resources
    return Resources([resources] if isinstance(resources, dict) else resources)


def located(issue: Issue, record: Record) -> Issue:
    """An issue that says which record it is about, and where that was read."""
    return replace(issue, record=issue.record or record.id, place=issue.place or str(record.origin))
