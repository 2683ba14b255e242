"""Progress and status messages on standard error."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import pytest

from freeloc.io import progress
from freeloc.io.progress import print_status, track


class Terminal(io.StringIO):
    """Standard error connected to a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that advances by a fixed number of seconds at every reading."""

    def __init__(self, step: float) -> None:
        self.now = 1000.0
        self.step = step

    def monotonic(self) -> float:
        self.now += self.step
        return self.now


class TestPrintStatus:
    def test_goes_to_standard_error(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_status("wrote it")
        captured = capsys.readouterr()
        assert (captured.out, captured.err) == ("", "wrote it\n")

    @pytest.mark.parametrize(
        "text",
        [
            "wrote /data/[red]/model",  # markup of the console library
            "wrote /data/:dog:/model",  # one of its emoji names
            "wrote /" + "very/" * 60 + "long",
            "Köln 東京 [/] \\[x]",
        ],
    )
    def test_markup_is_not_interpreted(self, capsys: pytest.CaptureFixture[str], text: str) -> None:
        print_status(text)
        assert capsys.readouterr().err == text + "\n"


class TestLines:
    def test_an_unknown_or_wrong_total(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(progress, "time", Clock(10.0))
        assert list(track("abcd", "predicting", None)) == list("abcd")
        assert list(track("abcd", "predicting", 2)) == list("abcd")
        lines = capsys.readouterr().err.splitlines()
        assert lines[:2] == ["predicting: 2 so far", "predicting: 4 so far"]
        assert lines[2].startswith("predicting: 4 done in ")
        assert [line for line in lines[3:] if " of " in line] == []
        assert lines[-1].startswith("predicting: 4 done in ")

    def test_items_pass_and_the_end_is_printed_once(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert list(track(iter("abc"), "extracting", 3)) == ["a", "b", "c"]
        captured = capsys.readouterr()
        assert captured.out == ""
        (line,) = captured.err.splitlines()
        assert line.startswith("extracting: 3 done in ")
        assert "\r" not in captured.err
        assert "\x1b" not in captured.err

    def test_lines_at_intervals(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The clock is read once at the start and once per item; each reading advances it by 6 seconds.
        monkeypatch.setattr(progress, "time", Clock(6))
        list(track(range(10), "extracting", 10))
        lines = capsys.readouterr().err.splitlines()
        # Lines are at least 15 seconds apart: after the third, sixth and ninth item.
        assert lines[:3] == [
            "extracting: 3 of 10, about 40 seconds left",
            "extracting: 6 of 10, about 25 seconds left",
            "extracting: 9 of 10, about 5 seconds left",
        ]
        assert len(lines) == 4

    def test_nothing_to_do(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert list(track([], "extracting", 0)) == []
        assert capsys.readouterr().err.startswith("extracting: 0 done")

    def test_items_are_requested_one_by_one(self) -> None:
        taken = []

        def items() -> Iterator[int]:
            for index in range(5):
                taken.append(index)
                yield index

        tracked = track(items(), "extracting", 5)
        assert taken == []
        next(tracked)
        next(tracked)
        assert taken == [0, 1]

    @pytest.mark.parametrize("quiet", [True, False])
    def test_an_error_in_the_items_passes(self, capsys: pytest.CaptureFixture[str], quiet: bool) -> None:
        def items() -> Iterator[int]:
            yield 1
            raise LookupError("gone")

        with pytest.raises(LookupError, match="gone"):
            list(track(items(), "extracting", 2, quiet=quiet))
        assert "done" not in capsys.readouterr().err


class TestQuiet:
    @pytest.mark.parametrize("stream", [io.StringIO, Terminal])
    def test_nothing_is_shown(self, monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO]) -> None:
        error = stream()
        monkeypatch.setattr(sys, "stderr", error)
        assert list(track("abc", "extracting", 3, quiet=True)) == ["a", "b", "c"]
        assert error.getvalue() == ""


class TestBar:
    def test_a_terminal_gets_a_bar(self, monkeypatch: pytest.MonkeyPatch) -> None:
        error = Terminal()
        monkeypatch.setattr(sys, "stderr", error)
        monkeypatch.setenv("TERM", "xterm")
        assert list(track("abc", "extracting", 3)) == ["a", "b", "c"]
        shown = error.getvalue()
        assert "extracting" in shown
        assert "3/3" in shown
        assert "done in" not in shown
