"""Rows for CodeableReferences: R4 has a concept, or a reference, or a choice of both, or two lists."""

from __future__ import annotations

from typing import Any

from fhirtrial.releases.block import Block, Json, Up, extension_of, on_each, with_extension, without_extension
from fhirtrial.releases.extension_rows import DATATYPE
from fhirtrial.releases.run import Run

TYPE = "CodeableReference"
_MEMBERS = {"concept": "valueCodeableConcept", "reference": "valueReference"}
_SHOWN = {"concept": "text", "reference": "display"}
"""Where each kind says in words what it means."""


def add_one_part(block: Block, name: str, to: str, url: str, native: str) -> None:
    """
    An element that is a concept, or a reference (``native``), in the other release.

    The other part is an extension on it. Without a native part, what the other says in words is shown natively.
    """
    other = "reference" if native == "concept" else "concept"

    def one(codeable: Json, run: Run) -> Json:
        _say_of_others(codeable, f"{block.path}.{name}", run)
        part = codeable.get(other)
        own: Json = codeable.get(native, {})
        if part is None:
            return own
        if native not in codeable and _SHOWN[other] in part:
            own = {_SHOWN[native]: part[_SHOWN[other]]}
        return with_extension(own, {"url": url, "extension": _parts({other: part})})

    def up(found: Json) -> Json:
        extension = extension_of(found, url)
        part = None if extension is None else _read(extension).get(other)
        if part is None:
            return {native: found}
        rest = without_extension(found, url)
        shown = {_SHOWN[native]: part[_SHOWN[other]]} if _SHOWN[other] in part else {}
        if rest == shown:
            return {other: part}
        return {native: rest, other: part}

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        out[to] = on_each(lambda each: one(each, run), given)

    block.down_rows[name] = down
    block.up_rows[to] = lambda given, out, *_: out.__setitem__(name, on_each(up, given))


def add_choice(block: Block, name: str, to: str) -> None:
    """An element that is either a reference or a concept in the other release; of both, the reference is native."""
    members = {"reference": f"{to}Reference", "concept": f"{to}CodeableConcept"}

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        _say_of_others(given, f"{block.path}.{name}", run)
        if "reference" in given:
            out[members["reference"]] = given["reference"]
            if "concept" in given:
                message = "R4 takes a reference or a concept: the concept is left out"
                run.say("warning", "no-r4-form", message, f"{block.path}.{name}.concept")
        elif "concept" in given:
            out[members["concept"]] = given["concept"]
        elif "extension" in given:  # why there is neither
            out[members["concept"]] = {"extension": given["extension"]}

    block.down_rows[name] = down

    def up_of(part: str) -> Up:
        def up(given: Any, out: Json, source: Json, run: Run) -> None:  # noqa: ARG001
            if part == "concept" and isinstance(given, dict) and given.keys() == {"extension"}:
                out.setdefault(name, {}).update(given)
            else:
                out.setdefault(name, {})[part] = given

        return up

    block.up_rows |= {member: up_of(part) for part, member in members.items()}


def add_split(block: Block, name: str, concepts: str, references: str, url: str) -> None:
    """A list that is two lists in the other release; an extension holds it all where the order cannot be made again."""

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        seen = mixed = False
        for each in given:
            _say_of_others(each, f"{block.path}.{name}", run)
            if "concept" in each:
                out.setdefault(concepts, []).append(each["concept"])
                mixed |= seen
            if "reference" in each:
                out.setdefault(references, []).append(each["reference"])
                mixed |= "concept" in each
                seen = True
        if mixed:
            extensions += [{"url": url, "extension": _parts(each)} for each in given]

    def up(given: Any, out: Json, source: Json, run: Run) -> None:  # noqa: ARG001
        if name not in out and extension_of(source, url) is None:
            out[name] = _joined(source, concepts, references)

    def up_whole(extension: Json, out: Json, run: Run) -> None:  # noqa: ARG001
        out.setdefault(name, []).append(_read(extension))

    block.down_rows[name] = down
    block.up_rows |= {concepts: up, references: up}
    block.extension_rows[url] = up_whole
    block.copies.append(_Halves(f"{block.path}.{name}", concepts, references, url))


class _Halves:
    """The two lists where an extension holds the whole: copies then, of which an edit counts."""

    def __init__(self, path: str, concepts: str, references: str, url: str) -> None:
        self.path = path
        self.members = (concepts, references)
        self.url = url

    def down(self, r5: Json, out: Json, run: Run) -> None:
        """Makes nothing: the row has made both."""

    def up(self, native: Json, out: Json, run: Run) -> None:
        """Takes the lists instead of the extension if they say something else."""
        if extension_of(native, self.url) is None:
            return
        name = self.path.rpartition(".")[2]
        whole = out.get(name, [])
        for member, part in zip(self.members, ("concept", "reference"), strict=True):
            if native.get(member, []) != [each[part] for each in whole if part in each]:
                out[name] = _joined(native, *self.members)
                message = f"{member} says something else than the extension: {' and '.join(self.members)} win"
                run.say("warning", "conflict", message, self.path)
                return


def _joined(source: Json, concepts: str, references: str) -> list[Json]:
    found = [{"concept": each} for each in source.get(concepts, ())]
    return found + [{"reference": each} for each in source.get(references, ())]


def _say_of_others(codeable: Json, path: str, run: Run) -> None:
    """Says of what stands on a CodeableReference itself that nothing holds it."""
    for name in sorted(codeable.keys() - _MEMBERS.keys()):
        message = "R4 has no CodeableReference, and nothing else that this could stand on"
        run.say("warning", "no-r4-form", message, f"{path}.{name}")


def _parts(codeable: Json) -> list[Json]:
    made = [{"url": part, _MEMBERS[part]: codeable[part]} for part in ("concept", "reference") if part in codeable]
    return [{"url": DATATYPE, "valueString": TYPE}, *made]


def _read(extension: Json) -> Json:
    parts = extension.get("extension", ())
    return {
        each["url"]: each[_MEMBERS[each["url"]]]
        for each in parts
        if each.get("url") in _MEMBERS and _MEMBERS[each["url"]] in each
    }
