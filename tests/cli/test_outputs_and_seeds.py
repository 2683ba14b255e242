"""Output paths and seeds that no command can use are refused in one sentence, before any work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOLDER_COMMANDS = ("train", "predict", "demo", "reproduce")
FILE_COMMANDS = ("evaluate", "calibrate", "quantize", "pretrain")
SEED_COMMANDS = ("train", "demo", "reproduce", "evaluate", "quantize", "pretrain")


def words(command: str, data: Path, out: Path) -> tuple[object, ...]:
    image = data.with_name("0.png")
    given: dict[str, tuple[object, ...]] = {
        "train": (data,),
        "pretrain": (data,),
        "predict": ("voc20", image),
        "demo": (),
        "reproduce": ("voc2007", "--root", data),
        "evaluate": ("voc20", data),
        "calibrate": ("voc20", data),
        "quantize": ("voc20", image),
    }
    return (command, *given[command], "--out", out)


def make_bad(kind: str, folder: Path) -> Path:
    """A path at which no folder can be created, and most of which are no place for a file."""
    path = folder / "out"
    if kind == "circular link":
        path.symlink_to(path)
    elif kind == "below a circular link":
        path.symlink_to(path)
        path = path / "deeper"
    elif kind == "below a file":
        path.write_text("a file")
        path = path / "deeper"
    elif kind == "long name":
        path = folder / ("x" * 300)
    elif kind == "file":
        path.write_text("a file")
    elif kind == "folder":
        path.mkdir()
    elif kind == "broken link":
        path.symlink_to(folder / "gone")
    elif kind == "device":
        path = Path("/dev/null")
    return path


ALWAYS_BAD = ("circular link", "below a circular link", "below a file", "long name", "device")


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        *((command, kind) for command in FOLDER_COMMANDS for kind in (*ALWAYS_BAD, "file", "broken link")),
        *((command, kind) for command in FILE_COMMANDS for kind in (*ALWAYS_BAD, "folder")),
    ],
)
def test_a_bad_output_path(
    freeloc: Callable[..., Any], tagged: Path, tmp_path: Path, command: str, kind: str
) -> None:
    out = make_bad(kind, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    answer = freeloc(*words(command, tagged, out))
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"freeloc: cannot write {out}: ")
    assert answer.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("command", SEED_COMMANDS)
@pytest.mark.parametrize("seed", [-1, -(2**70), 2**63, 10**30])
def test_a_bad_seed(
    freeloc: Callable[..., Any], tagged: Path, tmp_path: Path, command: str, seed: int
) -> None:
    answer = freeloc(*words(command, tagged, tmp_path / "out"), f"--seed={seed}")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        f"freeloc: seed is {seed}: it must be a whole number from 0 to {2**63 - 1} (option --seed)\n"
    )
    assert not (tmp_path / "out").exists()
