"""Fuzz weight files of backbones: safetensors files, and torch checkpoints in either format."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import save

from freeloc.nn.backbones.weight_files import check_fit, load_state
from tests.fuzz.models import change_safetensors
from tests.fuzz.mutations import change_bytes, count_changes
from tests.fuzz.target import Target, require
from tests.models.model_files import split
from tests.runtime.networks import Patches

__all__ = ["Weights"]


class Weights(Target):
    """Weight files, read and compared with the tensors that a backbone requires."""

    memory = 8 * 2**30

    def prepare(self, folder: Path) -> None:
        """Write sound files of every kind."""
        torch.set_num_threads(1)
        self._expected = dict(Patches().state_dict())
        kinds: dict[str, object] = {
            "plain": self._expected,
            "wrapped": {"state_dict": self._expected, "epoch": 3},
            "model": {"model": self._expected},
            "other": [1, 2],
        }
        self._files: dict[str, bytes] = {"state.safetensors": save(self._expected)}
        for name, value in kinds.items():
            for old in (False, True):
                stream = io.BytesIO()
                torch.save(value, stream, _use_new_zipfile_serialization=not old)
                self._files[f"{name}-{'old' if old else 'new'}.pth"] = stream.getvalue()

    def make(self, rng: Random, folder: Path) -> None:
        """Change bytes, the table of tensors, or the parts of a zip file."""
        name = rng.choice(sorted(self._files))
        data, changes = self._files[name], count_changes(rng, 4)
        if name.endswith(".safetensors") and rng.random() < 0.5:
            header, tensors = split(data)
            data = change_safetensors(rng, header, tensors, changes)
        elif data.startswith(b"PK") and rng.random() < 0.6:
            data = _change_zip(rng, data, changes)
        else:
            data = change_bytes(rng, data, changes)
        (folder / rng.choice((name, name, "weights.pth", "weights.safetensors"))).write_bytes(data)

    def use(self, rng: Random, folder: Path) -> None:
        """Load the tensors, and check that they fit."""
        (path,) = folder.iterdir()
        state = load_state(path)
        check_fit(state, self._expected, path, "patches")
        require(all(isinstance(value, torch.Tensor) for value in state.values()), "a value is not a tensor")
        Patches().with_weights({key: value for key, value in state.items() if key in self._expected})


def _change_zip(rng: Random, data: bytes, changes: int) -> bytes:
    """Return a zip file with some members changed, repeated, deleted or exchanged; its checksums fit."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        members: list[tuple[Any, bytes]] = [(info.filename, file.read(info)) for info in file.infolist()]
    for _ in range(changes):
        place = rng.randrange(len(members))
        name, content = members[place]
        other = rng.randrange(len(members))
        action = rng.choice(("bytes", "bytes", "number", "delete", "swap", "repeat"))
        if action == "bytes":
            members[place] = (name, change_bytes(rng, content, 1))
        elif action == "number" and len(content) > 4:
            start = rng.randrange(len(content) - 4)
            number = rng.choice((0, 1, 2**31 - 1, 2**32 - 1, 10**6))
            members[place] = (name, content[:start] + struct.pack("<I", number) + content[start + 4 :])
        elif action == "delete" and len(members) > 1:
            del members[place]
        elif action == "swap":
            members[place], members[other] = (name, members[other][1]), (members[other][0], content)
        else:
            members.append((members[other][0] + "x", content))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, content in members:
            file.writestr(name, content)
    return stream.getvalue()
