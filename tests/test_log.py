"""Messages in the log are safe to print, whatever names they quote."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import freeloc
from freeloc._log import get_logger, warn_in_lines
from freeloc.datasets import open_dataset
from tests.fuzz.trees import picture
from tests.hostile_names import HOSTILE, is_safe

SOURCE = Path(freeloc.__file__).parent


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_name_forges_no_message(name: str, caplog: pytest.LogCaptureFixture) -> None:
    get_logger("freeloc.test").warning("%s is left out, as is %r", Path(name), name)
    (message,) = caplog.messages
    assert is_safe(message)
    assert len(message.splitlines()) == 1


def test_reports_keep_their_lines(caplog: pytest.LogCaptureFixture) -> None:
    warn_in_lines(get_logger("freeloc.test"), "2 problems:\na.jpg is missing\nb.jpg is 100% empty")
    assert caplog.messages == ["2 problems:\na.jpg is missing\nb.jpg is 100% empty"]


def test_a_name_with_a_percent_sign_is_logged_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    logger = get_logger("freeloc.test")
    assert get_logger("freeloc.test").filters == logger.filters
    logger.warning("%s is left out", "50%s.jpg")
    assert caplog.messages == ["50%s.jpg is left out"]


def test_every_module_has_such_a_logger() -> None:
    found = [
        path for path in SOURCE.rglob("*.py") if re.search(r"getLogger\(__name__\)", path.read_text("utf-8"))
    ]
    assert found == []
    assert (
        len([path for path in SOURCE.rglob("*.py") if "get_logger(__name__)" in path.read_text("utf-8")]) > 10
    )


def test_a_list_with_a_line_break_in_its_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The input that the fuzzer found."""
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(picture(".png"))
    rows = '{"file_name": "a.png", "tags": ["dog"]}\n{"file_name": "b.png", "tags": ["cat"]}\n'
    for name in ("metadata.jsonl", "not a\r\nfreeloc: all is well.jsonl"):
        (tmp_path / name).write_text(rows)
    assert open_dataset(tmp_path).classes == ("cat", "dog")
    assert len(caplog.messages) == 1
    assert caplog.messages[0].endswith(r"not not a\r\nfreeloc: all is well.jsonl")
