"""A page while it is read: the record made so far, the issues, and how a single value is read."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

from fhirtrial.issue import Issue, Severity, nearest
from fhirtrial.readers.page_lines import Line, short
from fhirtrial.readers.page_mapping import FILE, Block, PageMapping, Value
from fhirtrial.record import Origin

_NUMBER = re.compile(r"([0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})(?: (.+))?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Page:
    """The record that grows (``tree``) and the issues beside it, each with its line for sorting."""

    def __init__(self, mapping: PageMapping, origin: Origin) -> None:
        self.mapping = mapping
        self.origin = origin
        self.tree: dict[str, Any] = {}
        self.issues: list[tuple[int, Issue]] = []
        self.countries: frozenset[str] = frozenset()  # those that the page lists

    def report(
        self,
        line: Line,
        code: str,
        message: str,
        at: Block | Value | None = None,
        *,
        severity: Severity = "warning",
        path: str = "",
        hint: str = "",
    ) -> None:
        """Add an issue about a line of the page; ``at`` is its place in the mapping file."""
        known = str(self.origin)
        issue = Issue(
            severity=severity,
            code=code,
            message=message,
            place=f"{known}:{line.number}" if known else f"line {line.number}",
            path=path,
            mapping=f"{FILE}:{at.line}" if at else FILE,
            hint=hint,
        )
        self.issues.append((line.number, issue))

    def unread(self, line: Line, block: Block | None) -> None:
        """Report a line that has no meaning where it stands."""
        where = f"in {block.title!r}" if block else "above the first block"
        self.report(line, "unknown-line", f"{short(line.text)} has no meaning {where}, and is left out", block)

    def get(self, path: str) -> Any:
        """What the record has there, or None. A path through a list means its first item."""
        *way, last = path.split(".")
        node: Any = self.tree
        for name in way:
            node = node.get(name.removesuffix("[]"))
            if node is None:
                return None
            node = node[0] if isinstance(node, list) else node
        return node.get(last)

    def put(self, path: str, value: Any, line: Line, at: Block | Value | None) -> None:
        """Set a value, or append it to a list. A second value for one place is reported and left out."""
        *way, last = path.split(".")
        node = self.tree
        for name in way:
            node = node.setdefault(name.removesuffix("[]"), [{}] if name.endswith("[]") else {})
            node = node[0] if isinstance(node, list) else node
        if last.endswith("[]"):
            node.setdefault(last[:-2], []).append(value)
        elif last not in node:
            node[last] = value
        elif node[last] != value:
            message = f"a second value, {short(str(value))}, is left out"
            self.report(line, "second-value", message, at, path=path)

    def value(self, spec: Value, line: Line, text: str, *, within: str = "") -> Any:
        """
        What a text of the page stands for, or None if it is nothing or cannot be read.

        A code value or a date that is none stays as it is written: the record can hold it. ``within`` is the place of
        the entry that the value belongs to.
        """
        if text in self.mapping.absent or text in spec.absent or not text:
            return None
        path = f"{within}.{spec.path}" if within else spec.path
        if self.is_masked(text):
            message = f"the page hides this value: {short(text)}; left out"
            self.report(line, "masked-value", message, spec, path=self._shown(path))
            return None
        text = spec.values.get(text, text)
        value: Any = text
        if spec.words:
            value = spec.words.get(text)
            if value is None:
                hint = nearest(text, spec.words)
                message = f"{short(text)} is neither {' nor '.join(spec.words)}; left out"
                self.report(line, "unknown-value", message, spec, path=path, hint=hint)
                return None
        elif spec.unit:
            value = self._number(spec, line, text)
            if value is None:
                return None
        elif spec.split:
            value = [part.strip() for part in text.split(spec.split)]
        parts = value if isinstance(value, list) else [value]
        fine = [part for part in parts if self._check(spec, path, line, part)]
        if spec.note and fine:
            self.report(line, "uncertain-field", spec.note, spec, severity="information", path=path)
        if spec.month_end and _is_month_end(text):
            self.report(line, "uncertain-day", spec.month_end, spec, severity="information", path=path)
        return (fine or None) if isinstance(value, list) else fine[0] if fine else None

    def is_masked(self, text: str) -> bool:
        """Whether the page has hidden something in this text."""
        plain = " ".join(text.split())
        return any(mask in plain for mask in self.mapping.masked)

    def label(self, path: str, code: str) -> str:
        """How the registry writes a code value of that field for people; the code itself if it has no such value."""
        return self.mapping.schema.enums.get(self.mapping.types[path], {}).get(code, code)

    def _number(self, spec: Value, line: Line, text: str) -> int | None:
        match = _NUMBER.fullmatch(text)
        if match and match[2] in (None, *spec.unit):
            return int(match[1].replace(",", ""))
        message = f"{short(text)} is no number of {spec.unit[0]}; left out"
        self.report(line, "unknown-value", message, spec, path=spec.path)
        return None

    def _check(self, spec: Value, path: str, line: Line, value: Any) -> bool:
        """Let the registry's schema say what is odd about one value; whether it can be carried."""
        wrapped: Any = value
        for name in reversed(path.split(".")):
            wrapped = {name[:-2]: [wrapped]} if name.endswith("[]") else {name: wrapped}
        if value == "":
            self.report(line, "unknown-value", "nothing stands between two values", spec, path=self._shown(path))
            return False
        _, found = self.mapping.schema.check(wrapped)
        for issue in found:
            self.report(
                line, issue.code, issue.message, spec, severity="warning", path=self._shown(path), hint=issue.hint
            )
        return not any(issue.severity == "error" for issue in found)

    def _shown(self, path: str) -> str:
        """The path with the numbers of the list items that are being made: the next of the last list."""
        pieces = path.split("[]")
        for at in range(1, len(pieces)):
            holder = self.get("[]".join(path.split("[]")[:at])) if at == len(pieces) - 1 else None
            pieces[at] = f"[{len(holder) if holder else 0}]{pieces[at]}"
        return "".join(pieces)


def _is_month_end(text: str) -> bool:
    """
    Whether a day is the last of its month.

    >>> _is_month_end("2024-02-29"), _is_month_end("2023-02-29"), _is_month_end("2024-02")
    (True, False, False)
    """
    try:
        return bool(_DAY.fullmatch(text)) and (date.fromisoformat(text) + timedelta(days=1)).day == 1
    except (ValueError, OverflowError):
        return False
