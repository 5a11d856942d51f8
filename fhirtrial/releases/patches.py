"""
What no official place holds: kept in our extensions, and put back.

``release-difference`` stands on a resource of the other release and says what R5 had, ``earlier-difference`` stands on
one of R5 and says what the other had. Each says where (a JSON pointer), what the way back makes there, and what it
should be. A place that no longer holds what the way back made was edited: then the patch is dropped, and an issue says
so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from fhirtrial.releases.block import Json
from fhirtrial.releases.run import Run
from fhirtrial.releases.systems import with_system
from fhirtrial.releases.table import Table

MISSING = object()


class Differences:
    """Extensions of one address that each hold a difference of a resource of one release, and stand on the other's."""

    def __init__(self, url: str, line: str) -> None:
        self.url = url
        self.line = line

    def taken_off(self, resource: Json) -> tuple[Json, list[Json]]:
        """A resource without its patches, and these."""
        extensions = resource.get("extension", ())
        patches = [each for each in extensions if isinstance(each, dict) and each.get("url") == self.url]
        if not patches:
            return resource, []
        rest = [each for each in extensions if each not in patches]
        kept = {name: value for name, value in resource.items() if name != "extension"}
        return ({**kept, "extension": rest} if rest else kept), patches

    def put_back(self, resource: Json, patches: list[Json], run: Run) -> Json:
        """The resource with its patches applied."""
        if not patches:
            return resource
        out: Json = orjson.loads(orjson.dumps(resource))  # a copy of all of it: nobody's input is changed
        found = [{part.get("url"): part for part in each.get("extension", ())} for each in patches]
        out = self.prepared(out, found)
        for parts in reversed(found):
            path = parts.get("path", {}).get("valueString")
            if isinstance(path, str) and path.startswith("/"):
                self._apply(out, path, parts, run)
        return out

    def prepared(self, resource: Json, found: list[dict[Any, Json]]) -> Json:  # noqa: ARG002
        """The resource before the patches are applied; ``found`` are the parts of each."""
        return resource

    def patch(self, path: str, was: Any, value: Any) -> Json:
        """The extension that holds a difference."""
        parts: list[Json] = [{"url": "path", "valueString": path}]
        for name, said in (("was", was), ("value", value)):
            if said is not MISSING:
                text = orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode()
                parts.append({"url": name, "valueString": text})
        return {"url": self.url, "extension": parts}

    def _apply(self, out: Json, path: str, parts: dict[str, Json], run: Run) -> None:
        *parents, last = (_unescaped(part) for part in path[1:].split("/"))
        what = str(out.get("resourceType"))
        try:
            was, value = (_said(parts.get(name)) for name in ("was", "value"))
            at: Any = out
            for name in parents:
                at = at[int(name)] if isinstance(at, list) else at[name]
            if isinstance(at, list) and last == "-":
                at.append(value)
                return
            key: Any = int(last) if isinstance(at, list) else last
            now = at[key] if isinstance(at, list) else at.get(key, MISSING)
        except (LookupError, ValueError, TypeError, AttributeError):
            message = f"{path} is gone: the value that was kept for it is dropped"
            run.say("warning", "conflict", message, what, self.line)
            return
        if now is not was and now != was:
            message = f"{path} was edited: the value that was kept for it is dropped"
            run.say("warning", "conflict", message, what, self.line)
        elif value is not MISSING:
            at[key] = value
        elif isinstance(at, dict):
            at.pop(key, None)


class Earlier(Differences):
    """Keeps what a resource of the other release says and R5 loses, on the R5 resource."""

    def kept(self, wanted: Json, again: Json, made: Json, run: Run) -> Json:
        """The R5 resource with what the way back (``again``) lacks of the resource ``wanted``."""
        marks = []
        for path, was, value in _lost(again, wanted, ""):
            message = f"R5 has no form for what stands at {path}: kept in the extension earlier-difference"
            run.say("information", "no-r5-form", message, str(wanted.get("resourceType")), self.line)
            marks.append(self.patch(path, was, value))
        return {**made, "extension": [*made.get("extension", ()), *marks]} if marks else made


class Patches(Differences):
    """Keeps what an R5 resource says and the other release loses, there; ``earlier`` is for the opposite way."""

    def __init__(self, table: Table) -> None:
        super().__init__(table.own("release-difference"), table.file)
        self.earlier = Earlier(table.own("earlier-difference"), table.file)
        self.systems = {other: one for one, (other, _) in table.systems.items()}

    def kept(self, wanted: Json, again: Json, made: Json, run: Run) -> Json:
        """The resource of the other release with what the way back (``again``) lacks of the R5 resource ``wanted``."""
        marks: list[Json] = []
        patches = list(_differences(again, wanted, ""))
        for address in sorted({value for path, _, value in patches if self._is_kept_system(path, value)}):
            # The R5 resource uses the other release's address already: one mark says so for all of them.
            other = with_system(again, self.systems[address], address)
            fewer = list(_differences(other, wanted, ""))
            if len(fewer) < len(patches):
                again, patches = other, fewer
                marks.append({"url": self.url, "extension": [{"url": "system", "valueUri": address}]})
                message = f"the resource uses {address} in R5 already: the address is kept"
                run.say("information", "address-kept", message, str(wanted.get("resourceType")), self.line)
        for path, was, value in patches:
            message = f"R4 has no form for what stands at {path}: kept in the extension release-difference"
            run.say("information", "no-r4-form", message, str(wanted.get("resourceType")), self.line)
            marks.append(self.patch(path, was, value))
        return {**made, "extension": [*made.get("extension", ()), *marks]} if marks else made

    def prepared(self, resource: Json, found: list[dict[Any, Json]]) -> Json:
        """The resource with the addresses of code systems that it named as the other release does."""
        for parts in found:
            address = parts.get("system", {}).get("valueUri")
            if address in self.systems:
                resource = with_system(resource, self.systems[address], address)
        return resource

    def _is_kept_system(self, path: str, value: Any) -> bool:
        return path.endswith("/system") and isinstance(value, str) and value in self.systems


def _said(part: Json | None) -> Any:
    return MISSING if part is None else orjson.loads(part["valueString"])


def _differences(one: Any, other: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """What makes ``other`` of ``one``: path, what is there, what should be."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            yield from _differences(one.get(name, MISSING), other.get(name, MISSING), f"{path}/{_escaped(name)}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from _differences(first, second, f"{path}/{place}")
    elif one is MISSING or other is MISSING or one != other or type(one) is not type(other):
        yield path, one, other


def _lost(one: Any, other: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """What ``other`` says and ``one`` does not; the order of extensions, and further ones, do not matter."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(other):
            yield from _lost(one.get(name, MISSING), other[name], f"{path}/{_escaped(name)}")
    elif path.endswith("/extension") and isinstance(other, list):
        there = one if isinstance(one, list) else []
        gone = [each for each in other if each not in there]
        if gone and [_url(each) for each in there[: len(other)]] == [_url(each) for each in other]:
            for place, each in enumerate(other):  # each is there, changed
                yield from _lost(there[place], each, f"{path}/{place}")
        elif one is MISSING and gone:
            yield path, MISSING, gone
        else:
            yield from ((f"{path}/-", MISSING, each) for each in reversed(gone))  # the last is put back first
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from _lost(first, second, f"{path}/{place}")
    elif one is MISSING or one != other or type(one) is not type(other):
        yield path, one, other


def _url(extension: Any) -> Any:
    return extension.get("url") if isinstance(extension, dict) else None


def _escaped(name: str) -> str:
    """A member's name in a JSON pointer: https://www.rfc-editor.org/rfc/rfc6901."""
    return name.replace("~", "~0").replace("/", "~1")


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
