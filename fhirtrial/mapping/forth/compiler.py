"""
The way forth: mapping nodes become straight-line Python that makes resources and writes them as JSON.

One function per mapping file. In it, each module of the record is looked up once. Of a resource only what the record
says becomes dicts and lists; what is constant, codes with all that stands around them too, is JSON text already, and
orjson writes it as it is (`orjson.Fragment`).
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import orjson

from fhirtrial.dates import is_date, is_full_time
from fhirtrial.definitions import Definitions
from fhirtrial.mapping import verbatim
from fhirtrial.mapping.forth import run as forth_run
from fhirtrial.mapping.forth.finishing import Finishing
from fhirtrial.mapping.forth.frame import Frame
from fhirtrial.mapping.forth.object_writer import ObjectWriter
from fhirtrial.mapping.forth.run import opened
from fhirtrial.mapping.forth.value import Members
from fhirtrial.mapping.language.nodes import ResourceFile
from fhirtrial.mapping.language.walk import paths_of, python_name, references
from fhirtrial.schema import Schema


class Forth(ObjectWriter):
    """Writes the functions of all files into one source."""

    def __init__(
        self,
        files: dict[str, ResourceFile],
        definitions: Definitions,
        base: str,
        *,
        sound: Schema | None = None,
        finishing: Finishing | None = None,
    ) -> None:
        super().__init__(files, definitions, base, sound=sound, finishing=finishing)
        self.source.names |= {
            "EMPTY": forth_run.EMPTY,
            "Fragment": orjson.Fragment,
            "dumps": orjson.dumps,
            "sha256": sha256,
            "place_of": forth_run.place_of,
            "row_of": forth_run.row_of,
            "is_later": verbatim.is_later,
            "is_text": verbatim.is_text,
            "is_code": verbatim.is_code,
            "is_uri": verbatim.is_uri,
            "is_date": is_date,
            "is_full_time": is_full_time,
            "is_decimal": verbatim.is_decimal,
        }

    def compile(self) -> dict[str, Any]:
        """The names of the generated module: ``make_<file>`` for each file."""
        self.made = {link.file for file in self.files.values() for link in references(file.body) if link.made}
        for file in self.files.values():
            self.file(file)
        self.source.lines[:0] = [f"{name} = Fragment({written!r})" for written, name in self.constants.items()]
        made = self.source.compiled("<fhirtrial mapping, forth>")
        self.opened |= {id(made[name]): opened(written) for written, name in self.constants.items()}
        return made

    def file(self, file: ResourceFile) -> None:
        """The function of one file: gives the reference (``"Location/…"``), or None if there is nothing to make."""
        source = self.source
        source.add("")
        source.add("")
        self.root = Frame("record", "")
        if file.identity.shared:
            facts = [path.keys for path in file.identity.of]
            names = [source.fresh("_".join(keys)) for keys in facts]
            frame = Frame("", "", (), {}, dict(zip(facts, names, strict=True)), facts=True)
            arguments = ", ".join(names)
        else:
            spelt = f"{{run.place(item, {source.name(file.scope, 'scope')})}}" if file.scope else ""
            frame = Frame("item", spelt, file.scope or ())
            arguments = "item"
        with source.block(f"def make_{python_name(file.name)}({arguments}, run):", file.line):
            if any(path.root for path in (*paths_of(file.body, deep=True), *file.identity.of)):
                source.add("record = run.record")
            if file.identity.shared:
                self.shared(file, frame, names)
            else:
                self.single(file, frame)

    def shared(self, file: ResourceFile, frame: Frame, names: list[str]) -> None:
        """A shared resource is its facts: the same facts give the same id and the same bytes."""
        source = self.source
        with source.block(f"if {' is None and '.join(names)} is None:"):
            source.add("return None")
        source.add(f"identifier = '{file.identity.kind}-' + {digest(names, 16)}")
        source.add(f"reference = '{file.resource}/' + identifier")
        with source.block("if reference in run.out or reference in run.skip:"):
            source.add("return reference")
        self.finish(file, frame)

    def single(self, file: ResourceFile, frame: Frame) -> None:
        """A resource of one study; made once, also if it is asked for again."""
        source = self.source
        again = file.scope != ()
        if again:
            source.add(f"made = run.seen.get(({file.name!r}, id(item)))")
            with source.block("if made is not None:"):
                source.add("return made")
        facts = [self.read(path, frame) for path in file.identity.of]
        kind = file.identity.kind
        if file.identity.readable:
            tail = "" if kind == "study" else f"-{kind}"
            source.add(f"identifier = run.identifier(f'{'-'.join(f'{{{fact}}}' for fact in facts)}{tail}')")
        else:
            # A fact that stands in the id must be one that an id may hold; hashed ones may be any.
            head = f"'{kind}-'" if file.identity.hashed else f"run.identifier(f'{{{facts[0]}}}-{kind}-')"
            source.add(f"identifier = {head} + {digest(facts, 16 if file.identity.hashed else 8)}")
            source.add("identifier = run.unique(identifier)")
        source.add(f"reference = '{file.resource}/' + identifier")
        self.finish(file, frame)
        if again:
            source.add(f"run.seen[{file.name!r}, id(item)] = reference")
        elif file.name in self.made:
            source.add(f"run.made[{file.name!r}] = reference")
        source.add("return reference")

    def finish(self, file: ResourceFile, frame: Frame) -> None:
        """The resource itself."""
        source = self.source
        self.hoist(file.body, frame)
        value = self.object(file.body, frame, self.head(file))
        if value.test:
            with source.block(f"if not ({value.test}):"):
                source.add("return None")
        changes = self.finishing is not None and file.resource in self.finishing.kinds
        source.add(f"run.out[reference] = dumps({f'run.finish({value.source})' if changes else value.source})")
        if file.identity.shared:
            source.add("return reference")

    def head(self, file: ResourceFile) -> Members:
        """What follows from the identity: type, id, the business identifier, the canonical URL."""
        members = [("resourceType", repr(file.resource)), ("id", "identifier")]
        identity = file.identity
        if identity.identifies and "identifier" not in file.body.entries:
            system = repr(f"{self.base}sid/{identity.kind}")
            members.append(("identifier", f"[{{'system': {system}, 'value': identifier}}]"))
        if file.canonical:
            members.append(("url", f"{self.base!r} + reference"))
        return tuple(members)


def digest(facts: list[str], length: int) -> str:
    """The expression for the first bytes of SHA-256 over the JSON list of the facts (absent ones null), in hex."""
    return f"sha256(dumps(({', '.join(facts)},))).hexdigest()[:{2 * length}]"
