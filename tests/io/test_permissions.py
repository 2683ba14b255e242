"""Files that this user must not read are called forbidden, not damaged; nobody is told to delete them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

READ = """
import os, sys
from pathlib import Path
from freeloc.errors import FreelocError
from freeloc.datasets import open_dataset
from freeloc.images.decode import load_image
from freeloc.models.header import ModelFile
from freeloc.models.model import Model
from freeloc.nn.backbones.weight_files import load_state
from freeloc.training.checkpoint import Checkpoint

folder = Path(sys.argv[1])
if os.geteuid() == 0:  # who may read everything
    os.setgroups([])
    os.setuid(65534)
readers = (ModelFile.open, Model.load, Checkpoint.load, load_state, open_dataset, load_image)
for place in ("closed.safetensors", "folder/model.safetensors"):
    for read in readers:
        try:
            read((folder / place).with_suffix(".csv") if read is open_dataset else folder / place)
        except FreelocError as error:
            print(error)
        else:
            print("read")
"""


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user can enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="freeloc-"))
    folder.chmod(0o755)
    yield folder
    (folder / "folder").chmod(0o755)
    shutil.rmtree(folder)


def test_a_file_without_permission_says_so(public_folder: Path) -> None:
    (public_folder / "folder").mkdir()
    for name in ("closed.safetensors", "closed.csv", "folder/model.safetensors", "folder/model.csv"):
        (public_folder / name).write_bytes(b"x" * 100)
        (public_folder / name).chmod(0)
    (public_folder / "folder").chmod(0)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(public_folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 12
    for line in lines:
        assert "ermission denied" in line, lines
        assert str(public_folder) in line
        assert not any(word in line for word in ("delete", "damaged", "again", "os error", "Errno")), lines
    assert lines[0] == (
        f"cannot read model {public_folder / 'closed.safetensors'}: permission denied; allow your user to read it"
    )
