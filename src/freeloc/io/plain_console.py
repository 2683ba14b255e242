"""A console for tables and progress bars that prints text verbatim."""

from __future__ import annotations

from typing import IO, Any

from rich.console import Console
from rich.text import Text

from freeloc._printable import printable

__all__ = ["PlainConsole"]


class PlainConsole(Console):
    """A rich console that prints strings verbatim, apart from the characters that `printable` escapes."""

    def __init__(
        self,
        *,
        stderr: bool = False,
        width: int | None = None,
        file: IO[str] | None = None,
        soft_wrap: bool = False,
    ) -> None:
        super().__init__(
            highlight=False,
            markup=False,
            emoji=False,
            stderr=stderr,
            width=width,
            file=file,
            soft_wrap=soft_wrap,
        )

    def render_str(self, text: str, **options: Any) -> Text:
        """Convert a string to text; rich calls this method for every string, including those in tables."""
        return super().render_str(printable(text), **options)

    def on_broken_pipe(self) -> None:
        """Raise the `BrokenPipeError` that is being handled; rich would end the process."""
        raise  # noqa: PLE0704 - rich calls this method in an except block
