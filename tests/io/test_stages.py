"""One bar for all stages of a command, or lines where there is no terminal."""

from __future__ import annotations

import io
import re
import sys

import pytest

from freeloc.io import stages as module
from freeloc.io.progress import print_status, track
from freeloc.io.stages import current_stages, describe_seconds, show_stages


class Terminal(io.StringIO):
    """Standard error connected to a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that is set by the test."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_the_time_left_is_that_of_all_stages(clock: Clock) -> None:
    with show_stages(["check", "features", "training"]) as stages:
        assert stages is not None
        unknown = stages.seconds_left
        assert unknown is None
        stages.plan({"features": 10.0, "training": 100.0})
        stages.begin("features")
        assert stages.seconds_left == 110.0
        clock.now += 4
        assert stages.seconds_left == 106.0
        # From here on, the stage's own speed counts: a quarter took four seconds.
        items = stages.track(range(4), "extracting", 4)
        next(items)
        next(items)
        assert stages.seconds_left == pytest.approx(12 + 100)
        list(items)
        stages.begin("training", parts=2)
        assert stages.seconds_left == 100.0
        clock.now += 5
        list(stages.track(range(3), "epoch 1", 3))
        assert stages.seconds_left == pytest.approx(5)
        stages.begin("unknown")
        assert stages.seconds_left == pytest.approx(5)
    assert current_stages() is None


def test_a_terminal_shows_one_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    with show_stages(["check", "training"]) as stages:
        assert stages is not None
        assert stages.has_bar
        assert list(track("ab", "checking images", 2)) == ["a", "b"]
        stages.begin("training", 3)
        stages.plan({"training": 240.0})
        print_status("a message")
        list(track("ab", "epoch 1 of 3", 2))
        stages.report("not printed", "mAP 91.2")
        with show_stages(["other"]) as inner:
            assert inner is stages
    shown = terminal.getvalue()
    assert "a message" in shown
    assert "training (2 of 2), epoch 1 of 3" in shown
    assert "mAP 91.2" in shown
    assert "not printed" not in shown
    assert "left" in shown


def test_the_bar_keeps_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    with show_stages(["check", "training"]) as stages:
        assert stages is not None
        stages.begin("training", 3)
        stages.plan({"training": 240.0})
        list(track("ab", "epoch 57 of 100", 2))
        stages.report("", "loss 0.012, mAP 97.9, and more that does not fit")
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue()).replace("\r", "\n").splitlines()
    shown = [line for line in lines if "loss 0" in line]
    assert shown
    for line in shown:
        assert len(line.rstrip()) <= 80
        assert "…" in line
        assert sum(line.count(mark) for mark in "━╸╺") == 16


def test_a_log_gets_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with show_stages(["check", "training"]) as stages:
        assert stages is not None
        assert not stages.has_bar
        stages.begin("training", 2)
        for epoch in (1, 2):
            assert list(track("ab", f"epoch {epoch}", 2, summary=False)) == ["a", "b"]
            stages.report(f"epoch {epoch}: loss 0.5", "loss 0.5")
    assert capsys.readouterr() == ("", "epoch 1: loss 0.5\nepoch 2: loss 0.5\n")


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with show_stages(["training"], quiet=True) as stages:
        assert stages is None
        assert current_stages() is None
        assert list(track("ab", "x", 2, quiet=True)) == ["a", "b"]
    assert capsys.readouterr() == ("", "")


def test_an_error_ends_the_stages() -> None:
    with pytest.raises(KeyboardInterrupt), show_stages(["training"]):
        raise KeyboardInterrupt
    assert current_stages() is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "5 seconds"),
        (13, "15 seconds"),
        (62, "60 seconds"),
        (91, "2 minutes"),
        (250, "4 minutes"),
        (5000, "83 minutes"),
        (9000, "2.5 hours"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert describe_seconds(seconds) == words
