"""Rows for R5 elements that the other release has as extensions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fhirtrial.releases.block import Block, Json, Step, extension_of, no_r5_code, with_extension, without_extension
from fhirtrial.releases.run import Run
from fhirtrial.releases.shapes import Shapes, Whole

DATATYPE = "http://hl7.org/fhir/StructureDefinition/_datatype"
"""Says which R5 datatype the parts of an extension make: https://hl7.org/fhir/extensions/StructureDefinition-_datatype.html"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A value of an extension: the member that holds it, whether it repeats, and what happens to it both ways."""

    member: str
    many: bool
    down: Step | None = None
    up: Step | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """An extension that consists of others: each part by R5 name; ``datatype`` is said where the parts make one."""

    parts: Mapping[str, Value | Parts]
    many: bool
    datatype: str = ""


def add_value(block: Block, name: str, url: str, value: Value) -> None:
    """An element with one value, or with several, each an extension of its own."""
    member, beside, below = value.member, f"_{value.member}", f"_{name}"

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        made: Json = {"url": url, member: given if value.down is None else value.down(given, run)}
        if below in source:
            made[beside] = source[below]
        extensions.append(made)

    def down_many(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        step = value.down
        extensions += [{"url": url, member: each if step is None else step(each, run)} for each in given]

    def down_below(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        if name not in source:
            extensions.append({"url": url, beside: given})

    def up(extension: Json, out: Json, run: Run) -> None:
        if member in extension:
            found = extension[member]
            found = found if value.up is None else value.up(found, run)
            if value.many:
                out.setdefault(name, []).append(found)
            else:
                out[name] = found
        if beside in extension:
            out[below] = extension[beside]
        elif member not in extension:
            not_held(run, f"{block.path}.{name}", member)

    block.down_rows[name] = down_many if value.many else down
    if not value.many:
        block.down_rows[below] = down_below
    # The forms of a choice share an address: each looks for its own member.
    other = block.extension_rows.get(url)
    if other is None:
        block.extension_rows[url] = up
    else:

        def either(extension: Json, out: Json, run: Run) -> None:
            (up if member in extension or beside in extension else other)(extension, out, run)

        block.extension_rows[url] = either


def add_parts(block: Block, name: str, url: str, parts: Parts) -> None:
    """An element with parts, once or several times."""
    whole = taking_apart(block, parts, name, url)

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        if parts.many:
            extensions += [whole(each, run) for each in given]
        else:
            extensions.append(whole(given, run))

    def up(extension: Json, out: Json, run: Run) -> None:
        made = put_together(extension, parts, block, name, run)
        if parts.many:
            out.setdefault(name, []).append(made)
        else:
            out[name] = made

    block.down_rows[name] = down
    block.extension_rows[url] = up


def taking_apart(block: Block, parts: Parts, where: str, url: str) -> Whole:
    """What makes the extension of an object: its parts in its order, then what else is in it."""
    start: list[Json] = [{"url": DATATYPE, "valueString": parts.datatype}] if parts.datatype else []
    values = {
        name: (part.member, part.many, part.down) for name, part in parts.parts.items() if isinstance(part, Value)
    }
    nested = {
        name: (part.many, taking_apart(block, part, f"{where}.{name}", name))
        for name, part in parts.parts.items()
        if isinstance(part, Parts)
    }

    def odd(name: str, value: Any, made: list[Json], run: Run) -> None:
        """What stands beside a part, or is none."""
        if name.startswith("_") and name[1:] in values:
            member, many, _ = values[name[1:]]
            one = next((each for each in made if each["url"] == name[1:]), None)
            if many:
                message = "what stands beside an entry of a list has no place"
                run.say("warning", "no-r4-form", message, f"{block.path}.{where}.{name}")
            elif one is None:
                made.append({"url": name[1:], f"_{member}": value})
            else:
                one[f"_{member}"] = value
        else:
            message = "an extension cannot hold this part"
            run.say("warning", "no-r4-form", message, f"{block.path}.{where}.{name}")

    swapped = block.systems[0]
    extensions = swapped.extensions if swapped.to else None
    return Shapes(url, start, values, nested=nested, extensions=extensions, odd=odd).whole()


def not_held(run: Run, path: str, member: str) -> None:
    """Says of an extension that it has not the member which its definition gives it."""
    run.say("warning", "not-carried", f"the extension for it has no {member}: left out", path)


def put_together(extension: Json, parts: Parts, block: Block, where: str, run: Run) -> Json:
    """The object that extensions stand for; another's extension, which is no part of it, stays one."""
    out: Json = {"id": extension["id"]} if "id" in extension else {}
    kept: list[Json] = []
    for each in extension.get("extension", ()):
        name = each.get("url")
        part = parts.parts.get(name)
        if part is None:
            if ":" in str(name):
                kept += [each] if name != DATATYPE else []
            else:  # such a name means something in that extension alone
                message = f"the extension for it has no part {name!r}: left out"
                run.say("warning", "not-carried", message, f"{block.path}.{where}")
            continue
        if isinstance(part, Parts):
            value: Any = put_together(each, part, block, f"{where}.{name}", run)
        else:
            if f"_{part.member}" in each:
                out[f"_{name}"] = each[f"_{part.member}"]
            if part.member not in each:
                if f"_{part.member}" not in each:
                    not_held(run, f"{block.path}.{where}.{name}", part.member)
                continue
            value = each[part.member] if part.up is None else part.up(each[part.member], run)
        if part.many:
            out.setdefault(name, []).append(value)
        else:
            out[name] = value
    if kept:
        out["extension"] = block.systems[1].extensions(kept)
    return out


def add_first(block: Block, name: str, to: str, url: str, value: Value, *, unless: str = "") -> None:
    """
    A list of which the other release takes one, as ``to``: that is native, the others are extensions.

    Where R5's element ``unless`` is there, all are extensions: the other release has one or the other.
    """

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:
        made = given if value.down is None else [value.down(each, run) for each in given]
        if not unless or (unless not in source and f"_{unless}" not in source):
            out[to], made = made[0], made[1:]
        extensions.extend({"url": url, value.member: each} for each in made)

    def up(given: Any, out: Json, source: Json, run: Run) -> None:  # noqa: ARG001
        out.setdefault(name, []).insert(0, given if value.up is None else value.up(given, run))

    def up_other(extension: Json, out: Json, run: Run) -> None:
        if value.member in extension:
            found = extension[value.member]
            out.setdefault(name, []).append(found if value.up is None else value.up(found, run))
        else:
            not_held(run, f"{block.path}.{name}", value.member)

    block.down_rows[name] = down
    block.up_rows[to] = up
    block.extension_rows[url] = up_other


def add_beside(
    block: Block,
    name: str,
    url: str,
    member: str,
    *,
    native: frozenset[str],
    known: frozenset[str],
    nearest: Mapping[str, str] | None,
    back: Mapping[str, str],
    required: bool,
    line: str,
) -> None:
    """
    A code that stands in an extension on the element itself.

    Codes of ``native`` pass as they are; of the others ``nearest`` says which code is true of them. Where ``nearest``
    is None, the other release means something else by the element, and no code passes. ``known`` are R5's codes: what
    the other release writes with a hyphen more (``related-person``) becomes R5's spelling again. ``back`` says which
    code of R5 is true of one that only the other release has; where both say so of each other, they mean the same.
    """
    below = f"_{name}"
    spelt = {there: here for here, there in (nearest or {}).items() if there.replace("-", "") == here}
    same = {here: there for here, there in (nearest or {}).items() if back.get(there) == here}

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        beside = source.get(below)
        if nearest is not None and (given in native or given in same):
            out[name] = same.get(given, given)
            if beside is not None:
                out[below] = beside
            return
        out[below] = with_extension(beside, {"url": url, member: given})
        if nearest is not None and given in nearest:
            out[name] = nearest[given]
        elif nearest is not None and required:
            message = f"R4 requires a code, and has none that is true of {given!r}: R4 servers refuse the resource"
            run.say("error", "no-native-code", message, f"{block.path}.{name}", line)

    def down_below(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        if name not in source:
            out[below] = given

    def of_r5(given: Any, run: Run) -> Any:
        if given in known:
            return given
        if given in spelt:
            return spelt[given]
        if given in back:
            if same.get(back[given]) != given:
                message = f"R5 has no code {given!r}: {back[given]!r}, which is true of it"
                run.say("warning", "not-carried", message, f"{block.path}.{name}", line)
            return back[given]
        no_r5_code(given, f"{block.path}.{name}", line, run)
        return given

    def up(given: Any, out: Json, source: Json, run: Run) -> None:
        if nearest is not None and extension_of(source.get(below), url) is None:
            out[name] = of_r5(given, run)

    def up_below(given: Any, out: Json, source: Json, run: Run) -> None:
        extension = extension_of(given, url)
        if extension is None:
            out[below] = given
            return
        code, now = extension.get(member), source.get(name)
        if nearest is not None and now is not None and nearest.get(str(code)) != now:
            message = f"{now!r} does not stand for {code!r}, which the extension says: the element wins"
            run.say("warning", "conflict", message, f"{block.path}.{name}", line)
            code = of_r5(now, run)
        if code is not None:
            out[name] = code
        rest = without_extension(given, url)
        if rest:
            out[below] = rest

    block.down_rows |= {name: down, below: down_below}
    block.up_rows |= {name: up, below: up_below}
