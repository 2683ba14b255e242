"""Fuzz what freeloc keeps between runs: features, compiled graphs, checkpoints and arrays.

However these files are damaged, freeloc must refuse them or compute their content again: the results must be those
of the sound files.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image

from freeloc.features import entry_file
from freeloc.features.cache import CacheFormat, encode
from freeloc.features.entry_file import write_entry
from freeloc.features.extract import extract
from freeloc.geometry.pyramid import Pyramid
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.paper.cached_arrays import load_cached_arrays, save_cached_arrays
from freeloc.runtime import compile_cached, compile_network
from freeloc.runtime.compile import network_graph
from freeloc.runtime.graph_cache import cached_graph
from freeloc.runtime.openvino_backend import OpenVinoNetwork
from freeloc.training.checkpoint import Checkpoint
from freeloc.training.optimizer import make_optimizer
from freeloc.training.recipe import Recipe
from freeloc.training.run_setup import RunSetup
from tests.fuzz.models import change_safetensors
from tests.fuzz.mutations import ODD_TEXTS, change_bytes, change_json, count_changes
from tests.fuzz.networks import tiny_image
from tests.fuzz.target import Target, require
from tests.models.model_files import split, write_parts
from tests.runtime.networks import Patches

__all__ = ["Checkpoints", "Features", "Graphs", "PaperArrays"]


@contextmanager
def _copy_of(folder: Path) -> Iterator[Path]:
    """Yield a copy of a folder that may be changed; pipes and links are copied as such."""
    with tempfile.TemporaryDirectory() as parent:
        copy = Path(parent) / "copy"
        shutil.copytree(folder, copy, symlinks=True, copy_function=_copy_file)
        yield copy


def _copy_file(source: str, target: str) -> None:
    if Path(source).is_fifo():
        os.mkfifo(target)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def _damage(rng: Random, path: Path, files: list[Path]) -> None:
    """Damage one file of a cache, or put another file of the cache or something else in its place."""
    other = rng.choice(files)
    if path.is_dir():
        return
    if rng.random() < 0.1:
        path.unlink(missing_ok=True)
        if rng.random() < 0.8:
            _write_special(rng, path)
    elif path.is_file() and other.is_file():
        data, theirs = path.read_bytes(), other.read_bytes()
        action = rng.choice(("bytes", "bytes", "bytes", "cut", "empty", "copy", "swap"))
        if action == "swap":
            other.write_bytes(data)
        changed = {
            "bytes": change_bytes(rng, data, 1 + count_changes(rng, 3)),
            "cut": data[: rng.randrange(len(data) + 1)],
            "empty": b"",
        }
        path.write_bytes(changed.get(action, theirs))


def _write_special(rng: Random, path: Path) -> None:
    kind = rng.choice(("pipe", "folder", "circle", "device", "dangling"))
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"circle": path.name, "device": "/dev/zero", "dangling": "missing"}[kind])


# --- features ----------------------------------------------------------------------------------------------


class Features(Target):
    """Entries of the feature cache, used by extraction and by training."""

    scales = (0.2, 0.3)

    def prepare(self, folder: Path) -> None:
        """Fill two caches, one of each format."""
        torch.set_num_threads(1)
        rng = np.random.default_rng(0)
        self._folder = folder / "caches"
        self._backbone = Patches()
        self._network = compile_network(self._backbone, runtime="torch")
        self._paths = [folder / f"{number}.png" for number in range(4)]
        for path, (width, height) in zip(self._paths, ((50, 40), (40, 50), (50, 40), (9, 70)), strict=True):
            Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
        forms: tuple[CacheFormat, ...] = ("float16", "int8")
        self._wanted = {form: self._values(form, self._folder / form) for form in forms}

    def make(self, rng: Random, folder: Path) -> None:
        """Copy a cache and damage some of its entries."""
        form: CacheFormat = rng.choice(("float16", "int8"))
        (folder / "format").write_text(form)
        shutil.copytree(self._folder / form, folder / "cache")
        files = sorted(path for path in (folder / "cache").rglob("*.npy"))
        for _ in range(1 + count_changes(rng, 4)):
            path = rng.choice(files)
            if rng.random() < 0.3 and path.is_file():
                _write_other_entry(rng, path, form)
            else:
                _damage(rng, path, files)

    def use(self, rng: Random, folder: Path) -> None:
        """Extract again with the damaged cache, and compare all features."""
        form: Any = (folder / "format").read_text()
        with _copy_of(folder / "cache") as cache:
            found = self._values(form, cache)
        for key, values in self._wanted[form].items():
            same = found[key].shape == values.shape and np.array_equal(found[key], values)
            require(same, f"the features of image {key[0]} at scale {key[1]} have changed")

    def _values(self, form: CacheFormat, folder: Path) -> dict[tuple[int, float], np.ndarray]:
        source = extract(
            self._paths,
            self._backbone,
            self._network,
            Pyramid(self.scales),
            cache_folder=folder,
            cache_format=form,
            quiet=True,
        )
        return {
            (index, scale): np.array(source.get(index, scale))
            for index in range(len(source))
            for scale in self.scales
        }


def _write_other_entry(rng: Random, path: Path, form: CacheFormat) -> None:
    """Write an entry of another shape, type or header under the right name, with checksums that fit."""
    identity = f"{path.parent.parent.name}/{path.name}"
    shape = rng.choice(((1, 2, 5), (5, 2, 1), (2, 2, 4), (2, 0, 5), (1, 1, 1), (50, 50, 5)))
    path.unlink()
    if rng.random() < 0.5:
        values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        array = rng.choice(
            (values, encode(values, "float16"), encode(values, "int8"), values[0], values.ravel())
        )
        write_entry(path, array, identity)
        return
    text = rng.choice(
        (
            "{'descr': '<f2', 'fortran_order': False, 'shape': (1000000, 1000000, 1000000), }",
            "{'descr': '<f2', 'fortran_order': False, 'shape': (-1, 2, 5), }",
            "{'descr': '<f2', 'fortran_order': True, 'shape': (1, 2, 5), }",
            "{'descr': '|O', 'fortran_order': False, 'shape': (1, 2, 5), }",
            "{'descr': '<f2', 'fortran_order': False, 'shape': 5, }",
            "{'descr': [('values', 'i1', (1, 2, 5)), ('scales', '<f4', (5,))], 'fortran_order': False, 'shape': (), }",
            "{'descr': '<f2', 'shape': (1, 2, 5), }",
            "[" * 500,
            "1 +",
            rng.choice(ODD_TEXTS[:60]),
        )
    )
    header = text.encode("latin-1", "replace") + b"\n"
    content = struct.pack("<6sBBH", b"\x93NUMPY", 1, 0, len(header)) + header + bytes(rng.choice((0, 20, 25)))
    trailer = entry_file._TRAILER.pack(
        entry_file._MAGIC, zlib.crc32(content), entry_file._hash_identity(identity)
    )
    path.write_bytes(content + trailer)


# --- graphs ------------------------------------------------------------------------------------------------


class Graphs(Target):
    """The cache of compiled graphs, from which prediction starts without torch."""

    memory = 8 * 2**30

    def prepare(self, folder: Path) -> None:
        """Trace two graphs, and cache them."""
        torch.set_num_threads(1)
        self._folder = folder / "cache"
        self._canvas = np.ascontiguousarray(np.resize(tiny_image(), (64, 64, 3)))
        self._graphs = {f"patches-{seed}": network_graph(Patches(seed), None) for seed in (0, 1)}
        self._wanted = {key: self._run(key, self._folder) for key in self._graphs}

    def make(self, rng: Random, folder: Path) -> None:
        """Copy the cache and damage some of its files."""
        shutil.copytree(self._folder, folder / "cache")
        files = sorted(path for path in (folder / "cache").rglob("*") if path.is_file())
        for _ in range(1 + count_changes(rng, 4)):
            _damage(rng, rng.choice(files), files)

    def use(self, rng: Random, folder: Path) -> None:
        """Run a network from the damaged cache, twice, and compare the results."""
        key = rng.choice(sorted(self._graphs))
        with _copy_of(folder / "cache") as cache:
            for _ in range(2):
                require(np.array_equal(self._run(key, cache), self._wanted[key]), "the features have changed")

    def _run(self, key: str, cache: Path) -> np.ndarray:
        """Return the features of the canvas, as computed by the cached graph or by one that is made anew."""
        with mock.patch.dict(os.environ, FREELOC_CACHE=str(cache)):
            network = compile_cached(key, precision="float32")
            if network is None:
                graph = cached_graph(key, self._graphs[key].clone)
                network = OpenVinoNetwork(graph, "float32", streams=1)
            return network(self._canvas)


# --- checkpoints -------------------------------------------------------------------------------------------

_SETUP = RunSetup(
    recipe={"epochs": 3, "scales": [0.5, 1 / 3]},
    data="Köln",
    backbone="b",
    precision="openvino float32",
    training_precision="float32",
    seed=7,
    cache=None,
)


class Checkpoints(Target):
    """Checkpoints of training."""

    def prepare(self, folder: Path) -> None:
        """Write a sound checkpoint after one step."""
        torch.set_num_threads(1)
        head, optimizer = _new_head()
        head(torch.ones(2, 4)).sum().backward()
        optimizer.step()
        self._path = folder / "checkpoint.safetensors"
        Checkpoint.of(2, _SETUP, head, optimizer).save(self._path)
        self._wanted = Checkpoint.load(self._path)

    def make(self, rng: Random, folder: Path) -> None:
        """Change bytes, the table of tensors, or the header."""
        path, data = folder / "checkpoint.safetensors", self._path.read_bytes()
        way = rng.choice(("none", "bytes", "bytes", "table", "header"))
        changes = 1 + count_changes(rng, 3)
        if way == "none":
            path.write_bytes(data)
        elif way == "bytes":
            path.write_bytes(change_bytes(rng, data, changes))
        else:
            header, tensors = split(data)
            if way == "table":
                path.write_bytes(change_safetensors(rng, header, tensors, changes))
                return
            own = json.loads(header["__metadata__"]["freeloc-checkpoint"])
            header["__metadata__"]["freeloc-checkpoint"] = json.dumps(change_json(rng, own, changes))
            write_parts(path, header, tensors)

    def use(self, rng: Random, folder: Path) -> None:
        """Load and restore the checkpoint, which must be the sound one."""
        found = Checkpoint.load(folder / "checkpoint.safetensors")
        require(found.epochs_done == self._wanted.epochs_done, "the number of epochs has changed")
        require(found.setup == self._wanted.setup, "the setup has changed")
        for name in ("weights", "momentum", "backbone"):
            tensors, wanted = getattr(found, name), getattr(self._wanted, name)
            same = tensors.keys() == wanted.keys() and all(
                torch.equal(tensors[key], wanted[key]) for key in wanted
            )
            require(same, f"the {name} have changed")
        found.restore(*_new_head())


def _new_head() -> tuple[AdaptationHead, torch.optim.Optimizer]:
    torch.manual_seed(0)
    head = AdaptationHead(HeadSettings(4, 3, hidden=5))
    return head, make_optimizer(head, Recipe(learning_rate=0.01))


# --- arrays ------------------------------------------------------------------------------------------------


class PaperArrays(Target):
    """Arrays that the reproduction of the paper keeps."""

    def prepare(self, folder: Path) -> None:
        """Write two sound files."""
        self._arrays = {"boxes": np.arange(12.0).reshape(3, 4), "names": np.array(["cat", "dög"])}
        self._path, self._other = folder / "a.npz", folder / "b.npz"
        save_cached_arrays(self._path, "key", **self._arrays)
        save_cached_arrays(self._other, "other", **self._arrays)

    def make(self, rng: Random, folder: Path) -> None:
        """Damage a file."""
        files = [folder / "a.npz", folder / "b.npz"]
        shutil.copy(self._path, files[0])
        shutil.copy(self._other, files[1])
        for _ in range(count_changes(rng, 3)):
            _damage(rng, files[0], files)

    def use(self, rng: Random, folder: Path) -> None:
        """Load the arrays, which must be the sound ones or none."""
        found = load_cached_arrays(folder / "a.npz", "key")
        if found is not None:
            require(found.keys() == self._arrays.keys(), "the names have changed")
            for name, array in self._arrays.items():
                require(np.array_equal(found[name], array), f"{name} has changed")
