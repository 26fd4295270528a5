"""YAML with comments, which a YAML library cannot write."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

import yaml

_WIDTH = 96


class Text:
    """Lines of YAML, wrapped comments, and the checks among them."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self.notes: list[str] = []

    def say(self, comment: str, indent: int = 0) -> None:
        """Add a comment."""
        plain = "".join(each if each.isprintable() else "?" for each in comment)
        mark = " " * indent + "# "
        self._lines += textwrap.wrap(
            plain, _WIDTH, initial_indent=mark, subsequent_indent=mark, break_long_words=False
        )

    def check(self, note: str, indent: int = 0) -> None:
        """Add a comment that a person should look at."""
        self.notes.append(note)
        self.say(f"CHECK: {note}.", indent)

    def check_all(self, notes: Iterable[str], indent: int = 0) -> None:
        """Add several."""
        for note in notes:
            self.check(note, indent)

    def set(self, key: str, value: Any, indent: int = 0) -> None:
        """Add a key."""
        self._lines.append(f"{' ' * indent}{key}: {flow(value)}")

    def add(self, line: str) -> None:
        """Add a line as it is."""
        self._lines.append(line)

    def yaml(self) -> str:
        """The text."""
        return "\n".join(self._lines) + "\n"


def flow(value: Any) -> str:
    """A value on one line of YAML, quoted where it must be."""
    text: str = yaml.safe_dump(
        [value], default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False
    )
    return text.strip()[1:-1]
