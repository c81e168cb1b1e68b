"""Text that people write and that does not parse: what is wrong, and where."""

from __future__ import annotations

from typing import ClassVar

# A caret under column 5,000 helps nobody, and hostile rules hold long lines.
_WIDEST_LINE = 160


class InvalidTextError(ValueError):
    """Base: *text* breaks its grammar at *position* (characters from 0) for *reason*.

    `str()` is one line; `drawn` is the text with a caret under the fault.
    """

    noun: ClassVar[str] = "text"

    def __init__(self, text: str, position: int, reason: str) -> None:
        super().__init__(text, position, reason)
        self.text = text
        self.position = position
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.text!r} is not a {self.noun}: {self.reason}"

    @property
    def drawn(self) -> str:
        """Reason, text and caret on lines of their own."""
        start = max(0, self.position - _WIDEST_LINE // 2)
        line = self.text[start : start + _WIDEST_LINE]
        # What takes no column, or several, would move the caret off the fault.
        shown = "".join(c if c.isprintable() else "·" for c in line)
        return f"{self.reason}\n    {shown}\n    {' ' * (self.position - start)}^"
