"""The list of backbones: facts without torch, sizes of caches, and times with random weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import freeloc
from freeloc._log import NOTICE
from freeloc.errors import MissingDependencyError, UnknownBackboneError
from freeloc.features.cache import FeatureCache
from freeloc.features.compute import compute_features, feature_canvases
from freeloc.features.list_backbones import BENCHMARK_IMAGE, backbones
from freeloc.geometry.pyramid import Pyramid
from freeloc.nn.backbones.catalog import CATALOG
from freeloc.nn.backbones.registry import BACKBONES, load_backbone
from freeloc.runtime import compile_network
from freeloc.runtime.graph_cache import graph_path
from tests.packages import installed, write_package


def test_all_of_the_catalog_are_listed() -> None:
    found = freeloc.backbones()
    assert [item.facts for item in found] == list(CATALOG)
    assert [item.name for item in found] == [facts.name for facts in CATALOG]
    assert all(item.milliseconds is None for item in found)


def test_listing_loads_no_torch() -> None:
    code = (
        "import sys, freeloc; assert freeloc.backbones(); "
        "print(*(name for name in ('torch', 'openvino', 'timm') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_names_are_resolved_and_checked() -> None:
    short, alias, network = backbones(["dinov2-small", "lite0", "timm:resnet18"])
    assert (short.name, short.loads) == ("dinov2-small", "timm:vit_small_patch14_dinov2.lvd142m")
    assert alias.facts is CATALOG[0]
    assert (network.facts, network.cache_bytes) == (None, None)
    with pytest.raises(UnknownBackboneError, match="dinov2-sma11"):
        backbones(["dinov2-sma11"])


def test_all_have_the_same_keys_in_json() -> None:
    known, unknown = (item.to_dict() for item in backbones(["dinov3-small", "timm:resnet18"]))
    assert json.loads(json.dumps(known))["hub"]["revision"] == CATALOG[6].hub.revision  # type: ignore[union-attr]
    assert known.keys() == unknown.keys()
    assert (unknown["name"], unknown["license"]) == ("timm:resnet18", None)
    assert known["license"] == "DINOv3 License"


def test_the_size_of_the_cache_is_that_of_the_files(tmp_path: Path) -> None:
    (listed,) = backbones(["efficientnet_lite0"])
    image = tmp_path / "image.png"
    noise = np.random.default_rng(0).integers(0, 256, (BENCHMARK_IMAGE.height, BENCHMARK_IMAGE.width, 3))
    Image.fromarray(noise.astype(np.uint8)).save(image)
    backbone, pyramid = load_backbone("efficientnet_lite0"), Pyramid((1.0,))
    network = compile_network(backbone, runtime="torch", precision="float32")
    cache = FeatureCache.open(backbone, network, pyramid, tmp_path / "cache", "float16")
    ((_grid, values),) = compute_features(backbone, network, list(feature_canvases(image, backbone, pyramid)))
    cache.store("0" * 64, 1.0, values)
    (file,) = (path for path in (tmp_path / "cache").rglob("*.npy"))
    assert listed.cache_bytes is not None
    assert listed.cache_bytes <= file.stat().st_size <= listed.cache_bytes + 400


def test_times_are_measured_without_touching_the_cache_of_graphs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREELOC_CACHE", str(tmp_path))
    (measured,) = backbones(["efficientnet_lite0"], benchmark=True, quiet=True)
    assert measured.milliseconds is not None
    assert measured.milliseconds > 0
    assert not graph_path("any").parent.exists()


def test_a_backbone_that_cannot_be_created_is_left_out_unless_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FREELOC_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setattr(
        "freeloc.features.list_backbones._all_names", lambda: ["dinov2-small", "efficientnet_lite0"]
    )
    with caplog.at_level(NOTICE, "freeloc"):
        left_out, measured = backbones(benchmark=True, quiet=True)
    assert left_out.milliseconds is None
    assert measured.milliseconds is not None
    (record,) = caplog.records
    assert record.message.startswith("dinov2-small is not measured: backbone timm:vit_small_patch14_dinov2")
    with pytest.raises(MissingDependencyError, match="requires timm"):
        backbones(["dinov2-small"], benchmark=True, quiet=True)


def test_backbones_of_other_packages_are_listed_last(tmp_path: Path) -> None:
    source = "def load(name, weights=None):\n    raise OSError"
    entry_points = {
        "freeloc.backbones": {"colors": "color_backbones:load", "colors:NAME": "color_backbones:load"}
    }
    write_package(tmp_path, "color_backbones", source, entry_points)
    with installed(tmp_path, "color_backbones", BACKBONES):
        *others, last = backbones()
    assert (last.name, last.loads, last.facts) == ("colors", "colors", None)
    assert len(others) == len(CATALOG)
