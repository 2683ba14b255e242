"""Printing results and messages, whatever the names in them and the state of the streams."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

import pytest

from freeloc.errors import OutputError
from freeloc.io.terminal import is_terminal, print_json, print_result, print_status, standard_output
from tests.hostile_names import HOSTILE, is_safe


def closed_stream() -> IO[str]:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.fixture
def unwritable() -> Iterator[IO[str]]:
    """A stream that is open but whose descriptor cannot be written to, like that of a closed standard output."""
    descriptor = os.open(os.devnull, os.O_RDONLY)
    stream = os.fdopen(descriptor, "w", buffering=1)
    yield stream
    with pytest.raises(OSError, match="Bad file descriptor"):
        stream.close()


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_every_line_is_safe(capsys: pytest.CaptureFixture[str], name: str) -> None:
    print_result(name)
    print_status(name)
    printed = capsys.readouterr()
    for text in (printed.out, printed.err):
        assert is_safe(text)
        assert text.count("\n") == 1


def test_columns_are_separated_by_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    print_result("a\tb", "c")
    assert capsys.readouterr().out == "a\\tb\tc\n"


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_json_is_safe_and_exact(capfdbinary: pytest.CaptureFixture[bytes], name: str) -> None:
    print_json(json.dumps({"name": name}, ensure_ascii=False))
    printed = capfdbinary.readouterr().out.decode()
    assert json.loads(printed) == {"name": name}
    assert is_safe(printed)


def test_json_without_a_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notebooks replace standard output with a stream that only takes text."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    print_json('"é"')
    assert stream.getvalue() == '"é"\n'


@pytest.mark.parametrize("stream", [None, closed_stream()])
def test_results_need_a_standard_output(stream: IO[str] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(OutputError, match=r"^cannot write the results to standard output: it is closed$"):
        print_result("dog")
    with pytest.raises(OutputError, match="it is closed"):
        print_json("{}")


def test_an_unwritable_standard_output_is_closed(
    unwritable: IO[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", unwritable)
    with pytest.raises(OutputError, match="it is closed"):
        print_result("dog")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, Path("/dev/full").open("wb", buffering=0) as full:
        patch.setattr(sys, "stdout", io.TextIOWrapper(full, write_through=True))
        with pytest.raises(OutputError, match="standard output: No space left on device"):
            print_result("dog")


def test_a_broken_pipe_is_not_an_output_error(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with monkeypatch.context() as patch, os.fdopen(writer, "wb", buffering=0) as pipe:
        patch.setattr(sys, "stdout", io.TextIOWrapper(pipe, write_through=True))
        with pytest.raises(BrokenPipeError), standard_output() as stream:
            stream.write("dog")


@pytest.mark.parametrize("stream", [None, closed_stream()])
def test_messages_need_no_standard_error(stream: IO[str] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    print_status("dog")
    assert not is_terminal(sys.stderr)


def test_a_full_standard_error_is_no_error(unwritable: IO[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", unwritable)
    print_status("dog")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals")
def test_is_terminal() -> None:
    first, second = os.openpty()
    with closing(os.fdopen(second, "w")) as terminal:
        assert is_terminal(terminal)
    os.close(first)
    assert not is_terminal(io.StringIO())
    assert not is_terminal(None)
