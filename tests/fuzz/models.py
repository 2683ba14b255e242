"""Fuzz model files: bytes, the table of tensors, the fields of the header, and the tensors themselves."""

from __future__ import annotations

import json
import os
import struct
import tempfile
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image

from freeloc._literals import InferencePrecision, LocationMode, Preset, Runtime
from freeloc.inference.localizer import Localizer
from freeloc.inference.result import Localization
from freeloc.models.header import ModelFile
from freeloc.models.model import Model
from freeloc.models.stored_tensors import CHECKSUM, TensorInfo, header_checksum
from freeloc.models.tensor_digest import tensor_digest
from tests.fuzz.commands import run_command
from tests.fuzz.mutations import change_bytes, change_json, count_changes
from tests.fuzz.networks import register_patches, save_models, tiny_image
from tests.fuzz.target import Target, require
from tests.models.model_files import split, write_parts

__all__ = ["Models", "change_safetensors", "check_result", "require_same"]

_CODES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "U8": "u1", "I64": "<i8", "BF16": "<u2"}

_LARGEST_SCALE = 3.0
"""Larger canvases would only take time and memory."""


class Models(Target):
    """Model files, loaded and used to predict a tiny image."""

    memory = 8 * 2**30

    def prepare(self, folder: Path) -> None:
        """Write sound models."""
        torch.set_num_threads(1)
        register_patches()
        save_models(folder)
        self._sound = {path.stem: path for path in sorted(folder.glob("*.safetensors"))}
        self._wanted: dict[tuple[object, ...], Localization] = {}

    def make(self, rng: Random, folder: Path) -> None:
        """Write a changed model, and which one it was and whether its checksums were made to fit."""
        name = rng.choice(sorted(self._sound))
        path = folder / "model.safetensors"
        data = self._sound[name].read_bytes()
        way = rng.choice(("none", "bytes", "table", "header", "header", "tensors", "tensors", "mix"))
        fits = way in {"header", "tensors", "mix"} and rng.random() < 0.8
        changes = 1 + count_changes(rng, 4)
        if way == "none":
            path.write_bytes(data)
        elif way == "bytes":
            path.write_bytes(change_bytes(rng, data, changes))
        elif way == "table":
            header, tensors = split(data)
            path.write_bytes(change_safetensors(rng, header, tensors, changes))
        else:
            header, tensors = split(data)
            own = json.loads(header["__metadata__"]["freeloc"])
            if way == "header":
                own = change_json(rng, own, changes)
            elif way == "tensors":
                header, tensors = _change_tensors(rng, header, tensors, changes)
            else:
                other, _tensors = split(self._sound[rng.choice(sorted(self._sound))].read_bytes())
                theirs = json.loads(other["__metadata__"]["freeloc"])
                for key in rng.sample(sorted(theirs), 1 + rng.randrange(4)):
                    own[key] = theirs[key]
            if fits:
                _seal(own, header, tensors)
            header["__metadata__"] = {"freeloc": json.dumps(own)}
            write_parts(path, header, tensors)
        (folder / "case.txt").write_text(f"{name} {way} {'sealed' if fits else 'as it is'}")

    def use(self, rng: Random, folder: Path) -> None:
        """Load the model in one of several ways, and predict."""
        name, _way, sealed = (folder / "case.txt").read_text().split(" ", 2)
        path = folder / "model.safetensors"
        if rng.random() < 0.3:
            _use_by_command(rng, path)
            return
        if rng.random() < 0.2:
            model = Model.load(path)
            if sealed != "sealed":
                copy = folder.parent / "saved.safetensors"
                model.save(copy)
                Model.load(copy)
            return
        options = _draw_options(rng)
        scales = options["scales"] or ModelFile.open(path).header.scales
        localizer = Localizer.load(path, **options)
        if max(scales) > _LARGEST_SCALE:
            return
        result = localizer.predict(tiny_image())
        check_result(result)
        if sealed != "sealed":
            require_same(result, self._reference(name, options))

    def _reference(self, name: str, options: dict[str, Any]) -> Localization:
        key = (name, *options.values())
        if key not in self._wanted:
            self._wanted[key] = Localizer.load(self._sound[name], **options).predict(tiny_image())
        return self._wanted[key]


def _use_by_command(rng: Random, path: Path) -> None:
    """List the model, or predict with it and write all formats."""
    if rng.random() < 0.4:
        with mock.patch.dict(os.environ, FREELOC_MODELS=str(path.parent)):
            run_command("models", *rng.choice(((), ("--json",))))
        return
    if max(ModelFile.open(path).header.scales) > _LARGEST_SCALE:
        return
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.png"
        Image.fromarray(tiny_image()).save(image)
        words = ["predict", path, image, "--runtime", "torch", "--quiet", "--peaks", 2, "--boxes", 2]
        words += rng.choice(((), ("--threshold", 0), ("--location", "paper")))
        if rng.random() < 0.3:
            run_command(*words, "--format", rng.choice(("jsonl", "console")))
        else:
            formats = [word for name in ("jsonl", "npz", "overlays") for word in ("--format", name)]
            out = Path(folder) / "out"
            run_command(*words, "--out", out, *formats, "--map-size", rng.choice(("image", "lattice")))
            require(any(out.iterdir()), "predict wrote nothing")


def _draw_options(rng: Random) -> dict[str, Any]:
    # OpenVINO has to trace every float network, which takes long.
    runtimes: tuple[Runtime, ...] = ("auto", "openvino", "torch", "torch", "torch", "torch")
    precisions: tuple[InferencePrecision, ...] = ("auto", "float32", "float32", "int8")
    modes: tuple[LocationMode, ...] = ("fused", "paper")
    presets: tuple[Preset | None, ...] = (None, None, "fast")
    runtime = rng.choice(runtimes)
    preset = rng.choice(presets)
    return {
        "runtime": runtime,
        "precision": "float32" if runtime == "torch" else rng.choice(precisions),
        "location": rng.choice(modes),
        "preset": preset,
        "scales": rng.choice(((0.2,), (0.3, 0.6))) if preset is None and rng.random() < 0.3 else None,
    }


def check_result(result: Localization) -> None:
    """Check that a result is finite and inside its image, and call every method."""
    size = result.image_size
    for name in ("scores", "points", "responses", "maps", "probabilities"):
        require(np.isfinite(getattr(result, name)).all(), f"the {name} are not finite")
    require(
        ((result.probabilities >= 0) & (result.probabilities <= 1)).all(), "a probability is out of range"
    )
    limits = np.array([size.width, size.height])
    require(((result.points >= 0) & (result.points <= limits)).all(), "a point is outside the image")
    result.present()
    result.ranked()
    for location in result:
        result.peaks(location.name)
        result.boxes(location.name)
        require(result.map(location.name).shape == (size.height, size.width), "a map has the wrong shape")


def require_same(found: Localization, wanted: Localization) -> None:
    """Check that two results are equal but for rounding."""
    require(found.classes == wanted.classes, "the classes have changed")
    for name in ("scores", "probabilities", "points", "maps"):
        same = np.allclose(getattr(found, name), getattr(wanted, name), rtol=1e-4, atol=1e-4)
        require(same, f"the {name} have changed, although the file is damaged")


# --- safetensors files -------------------------------------------------------------------------------------


def change_safetensors(rng: Random, header: dict[str, Any], tensors: bytes, changes: int) -> bytes:
    """Return a safetensors file whose table of tensors was changed: names, types, shapes, offsets."""
    encoded = json.dumps(change_json(rng, header, changes)).encode()
    length = len(encoded)
    if rng.random() < 0.1:
        length = rng.choice((0, 1, length + 1, length - 1, 2**32, 2**63, 2**64 - 1))
    return struct.pack("<Q", length) + encoded + tensors


def _change_tensors(
    rng: Random, header: dict[str, Any], data: bytes, changes: int
) -> tuple[dict[str, Any], bytes]:
    """Reshape, convert, rename, swap, repeat and delete tensors, and change their values."""
    arrays = {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], _CODES[entry["dtype"]]).reshape(
            entry["shape"]
        )
        for name, entry in header.items()
        if name != "__metadata__"
    }
    kinds = {name: entry["dtype"] for name, entry in header.items() if name != "__metadata__"}
    for _ in range(changes):
        name = rng.choice(sorted(arrays))
        array = arrays[name]
        action = rng.choice(
            ("reshape", "convert", "rename", "swap", "delete", "value", "value", "flip", "resize")
        )
        if action == "reshape":
            shapes = ((array.size,), (1, array.size), (array.size, 1, 1), array.shape[::-1])
            arrays[name] = array.reshape(rng.choice(shapes))
        elif action == "convert" and kinds[name] != "BF16":
            kinds[name] = rng.choice(("F64", "F32", "F16", "U8", "I64"))
            with np.errstate(all="ignore"):
                arrays[name] = array.astype(_CODES[kinds[name]])
        elif action == "rename":
            new = rng.choice(
                (f"{name}x", f"backbone.{name}", "int8.structure", "fca.weight", "backbone.body.0.weight")
            )
            arrays[new], kinds[new] = arrays.pop(name), kinds.pop(name)
        elif action == "swap":
            other = rng.choice(sorted(arrays))
            arrays[name], arrays[other] = arrays[other], arrays[name]
            kinds[name], kinds[other] = kinds[other], kinds[name]
        elif action == "delete" and len(arrays) > 1:
            del arrays[name], kinds[name]
        elif action == "resize":
            arrays[name] = np.resize(array, rng.choice(((0,), (1,), (3, 4), (7, 7), (2**16,), ())))
        elif array.size and kinds[name].startswith("F"):
            changed = array.copy()
            value = rng.choice((0.0, -1.0, 1e4, float("nan"), float("inf"), -float("inf")))
            changed.flat[rng.randrange(array.size)] = value
            arrays[name] = changed
    table: dict[str, Any] = {}
    parts = b""
    for name, array in arrays.items():
        content = np.ascontiguousarray(array).tobytes()
        table[name] = {
            "dtype": kinds[name],
            "shape": list(array.shape),
            "data_offsets": [len(parts), len(parts) + len(content)],
        }
        parts += content
    return table, parts


def _seal(own: Any, header: dict[str, Any], data: bytes) -> None:
    """Make the stored hashes fit, as a program would that writes contradictory models."""
    if not isinstance(own, dict):
        return
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    if "weights" in own:
        tensors = {
            name: torch.frombuffer(bytearray(data[slice(*entry["data_offsets"])]), dtype=torch.uint8)
            if entry["data_offsets"][0] < entry["data_offsets"][1]
            else torch.empty(0)
            for name, entry in entries.items()
        }
        own["weights"] = tensor_digest(tensors)
    if CHECKSUM in own:
        table = {name: TensorInfo(entry["dtype"], tuple(entry["shape"])) for name, entry in entries.items()}
        own[CHECKSUM] = header_checksum(own, table)
