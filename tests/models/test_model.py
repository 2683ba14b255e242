"""The model file: writing, reading, and all kinds of damage."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import re
import struct
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from freeloc.errors import FreelocError, ModelError
from freeloc.geometry.grid import CellLayout
from freeloc.geometry.pyramid import Pyramid
from freeloc.models.calibration import Calibration
from freeloc.models.card import ModelCard
from freeloc.models.header import ModelFile, ModelHeader
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone, Normalization
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from tests.models.model_files import rewrite, split, write_parts


def a_model(**changes: Any) -> Model:
    torch.manual_seed(3)
    head = AdaptationHead(HeadSettings(6, 3, hidden=5, feature_dropout=0.25, hidden_dropout=0.125))
    header = ModelHeader(
        backbone="efficientnet_lite0",
        backbone_fingerprint="ab" * 32,
        classes=("cat", "Köln 東京", ""),
        head=head.settings,
        scales=(0.5, 1 / 3, 2.8),
        padding="square",
        pooling="average",
        threshold=0.1 + 0.2,
        manifest={"recipe": {"epochs": 3}, "seed": 7},
    )
    backbone_changes = changes.pop("backbone_changes", {})
    return Model(dataclasses.replace(header, **changes), head, backbone_changes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "model.safetensors"
    a_model().save(made)
    return made


def make_old(own: dict[str, Any], version: int) -> None:
    """Turn a header into one of an older format version, which had no checksum."""
    own["format_version"] = version
    own.pop("checksum", None)


class TestRoundTrip:
    def test_everything_comes_back(self, path: Path) -> None:
        model, back = a_model(), Model.load(path)
        assert dataclasses.replace(back.header, weights_digest=None) == model.header
        assert back.head.settings == model.head.settings
        cells = torch.randn(20, 6)
        assert torch.equal(back.head(cells), model.head(cells))
        assert not back.head.training

    def test_defaults_and_a_linear_head(self, tmp_path: Path) -> None:
        head = AdaptationHead(HeadSettings(4, 2, hidden=0))
        header = ModelHeader(
            backbone="alexnet",
            backbone_fingerprint="cd" * 32,
            classes=("a", "b"),
            head=head.settings,
            scales=(1.0,),
        )
        model = Model(header, head)
        model.save(tmp_path / "m")
        back = Model.load(str(tmp_path / "m"))
        assert (back.header.padding, back.header.pooling, back.header.threshold) == ("stride", "max", 0.5)
        assert back.header.manifest == {}
        assert back.head.fca is None
        assert torch.equal(back.head.fcb.weight, head.fcb.weight)

    def test_a_calibration_comes_along(self, tmp_path: Path) -> None:
        own = Calibration((0.5, 0.0, 1 / 3), (-1.0, 0.1 + 0.2, 7.0), (0.5, 0.25, 1.0), {"images": 9})
        a_model(calibration=own).save(tmp_path / "m")
        for read in (Model.load(tmp_path / "m").header, ModelFile.open(tmp_path / "m").header):
            found = read.calibration
            assert found is not None
            assert found == own
            assert found.facts == {"images": 9}
        # Older files, and models that are not calibrated, have no calibration, and no field for it.
        a_model().save(tmp_path / "plain")
        assert Model.load(tmp_path / "plain").header.calibration is None
        header, _tensors = split((tmp_path / "plain").read_bytes())
        assert "calibration" not in json.loads(header["__metadata__"]["freeloc"])

    @pytest.mark.parametrize(
        "change",
        [
            {"slopes": [1.0, 1.0]},
            {"slopes": [1.0, -1.0, 1.0]},
            {"offsets": [0.0, None, 0.0]},
            {"thresholds": [0.5, 2.0, 0.5]},
            {"thresholds": [0.5], "slopes": [1.0], "offsets": [0.0]},
            {"facts": 3},
        ],
        ids=str,
    )
    def test_a_calibration_that_makes_no_sense_is_damage(
        self, tmp_path: Path, change: dict[str, Any]
    ) -> None:
        place = tmp_path / "m"
        a_model(calibration=Calibration((1.0,) * 3, (0.0,) * 3, (0.5,) * 3)).save(place)
        rewrite(place, lambda own: own["calibration"].update(change))
        with pytest.raises(FreelocError, match="damaged"):
            Model.load(place)

    def test_how_canvases_are_made_comes_along(self, tmp_path: Path) -> None:
        a_model().with_header(padding="paper", resize="paper").save(tmp_path / "m")
        header = ModelFile.open(tmp_path / "m").header
        assert header.pyramid == Pyramid(header.scales, "paper", "paper")
        # Older files have no field for the order of resizing, and neither have models that resize once.
        a_model().save(tmp_path / "plain")
        assert Model.load(tmp_path / "plain").header.resize == "once"
        content, _tensors = split((tmp_path / "plain").read_bytes())
        assert "resize" not in json.loads(content["__metadata__"]["freeloc"])

    def test_saving_again_gives_the_same_bytes(self, path: Path, tmp_path: Path) -> None:
        Model.load(path).save(tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == path.read_bytes()

    def test_the_file_is_plain_safetensors(self, path: Path) -> None:
        header, _tensors = split(path.read_bytes())
        own = json.loads(header.pop("__metadata__")["freeloc"])
        assert {name: entry["shape"] for name, entry in header.items()} == {
            "fca.weight": [5, 6],
            "fca.bias": [5],
            "fcb.weight": [3, 5],
            "fcb.bias": [3],
        }
        assert own["format_version"] == 4
        assert own["classes"] == ["cat", "Köln 東京", ""]
        assert own["head"] == asdict(a_model().head.settings)

    def test_a_run_folder_stands_for_its_model(self, path: Path) -> None:
        assert Model.load(path.parent).header.classes == a_model().header.classes

    def test_others_may_read_the_file(self, path: Path) -> None:
        plain = path.parent / "plain"
        plain.touch()
        assert path.stat().st_mode == plain.stat().st_mode


class TinyBackbone(Backbone):
    """Two trained weights and a frozen one."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.name = "tiny"
        self.layout = CellLayout(32, 16.0)
        self.channels = self.width = 6
        self.normalization = Normalization((127.5,) * 3, (127.5,) * 3)
        self.body = nn.Sequential(nn.Conv2d(3, 6, 32, stride=32))
        self.projection = nn.Conv2d(6, 6, 1)
        self.freeze()


@pytest.fixture
def backbone() -> TinyBackbone:
    return TinyBackbone()


def changed_model(backbone: TinyBackbone, changes: dict[str, torch.Tensor]) -> Model:
    """Return a model with changed weights of a backbone."""
    return a_model(
        backbone="tiny",
        backbone_fingerprint=backbone.with_weights(changes).fingerprint,
        backbone_base=backbone.fingerprint,
        backbone_changes=changes,
    )


class TestChangedBackbone:
    @pytest.fixture
    def model(self, backbone: TinyBackbone) -> Model:
        changes = {
            key: value + 1 for key, value in backbone.state_dict().items() if key.startswith("projection")
        }
        return changed_model(backbone, changes)

    def test_there_and_back(self, model: Model, backbone: TinyBackbone, tmp_path: Path) -> None:
        model.save(tmp_path / "m")
        back = Model.load(tmp_path / "m")
        assert (back.header.backbone_base, back.header.backbone_fingerprint) == (
            backbone.fingerprint,
            model.header.backbone_fingerprint,
        )
        assert set(back.backbone_changes) == {"projection.weight", "projection.bias"}
        assert set(back.head.state_dict()) == set(model.head.state_dict())
        changed = back.adapt_backbone(backbone)
        assert changed.fingerprint == model.header.backbone_fingerprint
        for key, value in backbone.state_dict().items():
            moved = 1.0 if key.startswith("projection") else 0.0
            assert torch.equal(changed.state_dict()[key], value + moved), key
        assert back.adapt_backbone(changed) is changed
        back.save(tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()

    def test_an_unchanged_backbone_is_used_as_it_is(self, backbone: TinyBackbone) -> None:
        assert a_model(backbone_fingerprint=backbone.fingerprint).adapt_backbone(backbone) is backbone

    def test_older_versions_are_read(self, model: Model, path: Path, tmp_path: Path) -> None:
        model.save(tmp_path / "m")
        for file, version in ((path, 1), (tmp_path / "m", 2)):
            whole = Model.load(file).header
            rewrite(file, partial(make_old, version=version))
            assert Model.load(file).header == whole
            rewrite(file, partial(make_old, version=3 - version))
            with pytest.raises(ModelError, match="is damaged"):
                Model.load(file)

    def test_another_backbone_is_refused(self, model: Model) -> None:
        with pytest.raises(FreelocError, match="loaded for backbone tiny are not those on which"):
            model.adapt_backbone(TinyBackbone(seed=1))

    @pytest.mark.parametrize("damage", ["a value", "a shape", "a name"])
    def test_damaged_changes_are_refused(self, model: Model, backbone: TinyBackbone, damage: str) -> None:
        changes = dict(model.backbone_changes)
        bias = changes.pop("projection.bias")
        changes |= {
            "a value": {"projection.bias": bias + 1e-3},
            "a shape": {"projection.bias": bias[:4]},
            "a name": {"projection.gain": bias},
        }[damage]
        with pytest.raises(FreelocError, match="backbone weights do not fit backbone tiny"):
            dataclasses.replace(model, backbone_changes=changes).adapt_backbone(backbone)

    def test_a_missing_base_is_told(self, model: Model, tmp_path: Path) -> None:
        model.save(tmp_path / "m")
        rewrite(tmp_path / "m", lambda own: own.pop("backbone_base"))
        with pytest.raises(
            FreelocError, match="is damaged: changed backbone weights and backbone_base must be"
        ):
            Model.load(tmp_path / "m")

    def test_a_head_alone_is_refused_on_other_weights(self, backbone: TinyBackbone) -> None:
        model = a_model(backbone="tiny", backbone_fingerprint=backbone.fingerprint)
        with pytest.raises(FreelocError, match="loaded for backbone tiny are not those on which"):
            model.adapt_backbone(TinyBackbone(seed=1))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"layout": CellLayout(16, 16.0)}, "cell layout: .*stride=16.* instead of .*stride=32"),
            ({"layout": CellLayout(32, 8.0)}, "cell layout"),
            ({"layout": CellLayout(32, 16.0, 224)}, "cell layout"),
            ({"pad_color": (0, 0, 0)}, r"pad color: \(0, 0, 0\) instead of \(128, 128, 128\)"),
        ],
    )
    def test_a_header_for_another_backbone_is_refused(
        self, model: Model, backbone: TinyBackbone, changes: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ModelError, match=f"does not fit backbone tiny \\({message}"):
            model.with_header(**changes).adapt_backbone(backbone)
        fitting = model.with_header(layout=CellLayout(32, 16.0), pad_color=(128, 128, 128))
        assert fitting.adapt_backbone(backbone).fingerprint == model.header.backbone_fingerprint

    def test_a_head_of_another_width_is_refused(self, backbone: TinyBackbone) -> None:
        head = AdaptationHead(HeadSettings(7, 3, hidden=5))
        header = dataclasses.replace(
            a_model().header, backbone="tiny", backbone_fingerprint=backbone.fingerprint, head=head.settings
        )
        with pytest.raises(ModelError, match=r"\(values per cell: 7 instead of 6\)"):
            Model(header, head).adapt_backbone(backbone)


class TestFloat16:
    """Weights in float16, computed in float32 as before."""

    @pytest.fixture
    def model(self, backbone: TinyBackbone) -> Model:
        changes = {key: value * 1.1 for key, value in backbone.state_dict().items() if "projection" in key}
        return changed_model(backbone, changes)

    def test_there_and_back(self, model: Model, backbone: TinyBackbone, tmp_path: Path) -> None:
        rounded = model.to_float16(backbone)
        rounded.save(tmp_path / "m")
        back = Model.load(tmp_path / "m")
        assert back.storage == rounded.storage == "float16"
        for key, value in model.head.state_dict().items():
            own = back.head.state_dict()[key]
            assert own.dtype == torch.float32
            # An independent reference for the rounding.
            np.testing.assert_array_equal(own.numpy(), value.numpy().astype(np.float16).astype(np.float32))
        assert {value.dtype for value in back.backbone_changes.values()} == {torch.float32}
        back.save(tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()

    def test_the_file_holds_two_bytes_a_weight(
        self, model: Model, backbone: TinyBackbone, tmp_path: Path
    ) -> None:
        model.save(tmp_path / "whole")
        model.to_float16(backbone).save(tmp_path / "half")
        whole, half = (split((tmp_path / name).read_bytes()) for name in ("whole", "half"))
        assert 2 * len(half[1]) == len(whole[1])
        assert {entry["dtype"] for name, entry in half[0].items() if name != "__metadata__"} == {"F16"}

    def test_a_changed_backbone_stays_one_that_is_known(
        self, model: Model, backbone: TinyBackbone, tmp_path: Path
    ) -> None:
        model.to_float16(backbone).save(tmp_path / "m")
        back = Model.load(tmp_path / "m")
        assert back.header.backbone_fingerprint != model.header.backbone_fingerprint
        assert back.adapt_backbone(backbone).fingerprint == back.header.backbone_fingerprint
        with pytest.raises(FreelocError, match="loaded for backbone tiny are not those on which"):
            model.to_float16(TinyBackbone(seed=1))

    def test_the_model_itself_is_left_alone(self, model: Model, backbone: TinyBackbone) -> None:
        before = {key: value.clone() for key, value in model.head.state_dict().items()}
        again = model.to_float16(backbone).to_float16(backbone)
        assert again.header.backbone_fingerprint == model.to_float16(backbone).header.backbone_fingerprint
        assert all(torch.equal(value, before[key]) for key, value in model.head.state_dict().items())
        assert model.storage == "float32"

    def test_weights_beyond_float16_are_refused(self, model: Model, backbone: TinyBackbone) -> None:
        with torch.no_grad():
            model.head.fcb.weight[0, 0] = 70_000
        with pytest.raises(
            FreelocError, match=r"fcb\.weight exceeds the range of float16: keep the model in float32"
        ):
            model.to_float16(backbone)

    def test_what_was_not_rounded_is_not_cut_short(self, model: Model, tmp_path: Path) -> None:
        with pytest.raises(FreelocError, match="save the result of Model.to_float16"):
            dataclasses.replace(model, storage="float16").save(tmp_path / "m")
        assert not (tmp_path / "m").exists()

    def test_one_bit_of_a_weight(self, model: Model, backbone: TinyBackbone, tmp_path: Path) -> None:
        model.to_float16(backbone).save(tmp_path / "m")
        data = bytearray((tmp_path / "m").read_bytes())
        data[-3] ^= 1
        (tmp_path / "m").write_bytes(data)
        with pytest.raises(FreelocError, match="its weights do not match the stored hash"):
            Model.load(tmp_path / "m")


class TestCard:
    CARD = ModelCard("voc20", "1.0", "Twenty classes of Pascal VOC – 日常", "research only")

    def test_there_and_back(self, tmp_path: Path) -> None:
        a_model(card=self.CARD).save(tmp_path / "m")
        assert (
            Model.load(tmp_path / "m").header.card == ModelFile.open(tmp_path / "m").header.card == self.CARD
        )

    def test_files_without_one(self, path: Path) -> None:
        header, _ = split(path.read_bytes())
        assert "card" not in json.loads(header["__metadata__"]["freeloc"])
        assert Model.load(path).header.card is None

    def test_what_later_versions_add_is_passed_over(self, path: Path) -> None:
        rewrite(path, lambda own: own.update(card={"name": "x", "colour": "red"}))
        assert Model.load(path).header.card == ModelCard("x")

    @pytest.mark.parametrize("card", [{}, {"name": 3}, {"name": "x", "version": None}, "voc20", [1], 7])
    def test_a_damaged_card(self, path: Path, card: object) -> None:
        rewrite(path, lambda own: own.update(card=card))
        with pytest.raises(FreelocError, match=r"model .*model\.safetensors is damaged"):
            Model.load(path)


class TestMistakes:
    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(FreelocError, match=r"cannot load model .*absent: the file does not exist"):
            Model.load(tmp_path / "absent")

    def test_a_folder_without_a_model(self, tmp_path: Path) -> None:
        with pytest.raises(FreelocError, match=str(tmp_path)):
            Model.load(tmp_path)

    @pytest.mark.parametrize("version", [5, 0, None, "1", True, 1.0, [1], 10**30])
    def test_another_format_version(self, path: Path, version: object) -> None:
        rewrite(path, lambda own: own.update(format_version=version))
        with pytest.raises(
            FreelocError,
            match=f"format version {re.escape(str(version)[:20])}, but .* reads only versions 1 to 4",
        ):
            Model.load(path)

    def test_safetensors_of_somebody_else(self, tmp_path: Path) -> None:
        for name, metadata in (("bare", None), ("other", {"format": "pt"}), ("odd", {"freeloc": "[1]"})):
            save_file({"weight": torch.zeros(3)}, tmp_path / name, metadata=metadata)
            with pytest.raises(FreelocError, match="not a freeloc model"):
                Model.load(tmp_path / name)

    @pytest.mark.parametrize("share", [0, 0.001, 0.02, 0.3, 0.9, 0.999])
    def test_a_file_cut_short(self, path: Path, share: float) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(FreelocError, match=r"cannot read model .*model\.safetensors: "):
            Model.load(path)

    @pytest.mark.parametrize(
        "key",
        [
            *("backbone", "backbone_fingerprint", "classes", "head", "scales"),
            *("padding", "pooling", "threshold", "manifest", "weights"),
        ],
    )
    def test_a_part_is_missing(self, path: Path, key: str) -> None:
        rewrite(path, lambda own: own.pop(key))
        with pytest.raises(FreelocError, match=f"is damaged: the field {key} is missing"):
            Model.load(path)

    @pytest.mark.parametrize(
        "head",
        [{"width": 7}, {"classes": 4}, {"hidden": 0}, {"hidden": -1}, {"width": "x"}, {"unknown": 1}],
    )
    def test_weights_and_settings_do_not_fit(self, path: Path, head: dict[str, Any]) -> None:
        rewrite(path, lambda own: own["head"].update(head))
        with pytest.raises(FreelocError, match="is damaged") as caught:
            Model.load(path)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("key", "value"),
        [("padding", "round"), ("pooling", None), ("scales", ["a"]), ("scales", []), ("threshold", 7)],
    )
    def test_a_part_makes_no_sense(self, path: Path, key: str, value: object) -> None:
        rewrite(path, lambda own: own.update({key: value}))
        with pytest.raises(FreelocError, match=r"model .*model\.safetensors is damaged"):
            Model.load(path)

    def test_a_pooling_that_is_not_installed(self, path: Path) -> None:
        rewrite(path, lambda own: own.update(pooling="elsewhere"))
        with pytest.raises(ModelError, match="its pooling 'elsewhere' is not available") as caught:
            Model.load(path)
        assert caught.value.path == path

    def test_one_bit_of_a_weight(self, path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[-7] ^= 1
        path.write_bytes(data)
        with pytest.raises(FreelocError, match="its weights do not match the stored hash"):
            Model.load(path)

    def test_weights_of_a_file_that_tells_no_hash(self, path: Path) -> None:
        rewrite(path, lambda own: own.pop("weights"))
        rewrite(path, partial(make_old, version=1))
        assert Model.load(path).header.classes

    def test_without_its_checksum(self, path: Path) -> None:
        rewrite(path, lambda own: own.pop("checksum"))
        with pytest.raises(FreelocError, match="is damaged: the field checksum is missing"):
            Model.load(path)

    @pytest.mark.parametrize(
        "change",
        [
            {"box_threshold": 0.31},
            {"scales": [0.5, 1 / 3, 2.9]},
            {"classes": ["cow", "Köln 東京", ""]},
            {"backbone_fingerprint": "aa" + "ab" * 31},
            {"format_version": 1},
            {"manifest": {"recipe": {"epochs": 4}, "seed": 7}},
            {"padding": "stride"},
            {"unknown": 1},
        ],
        ids=str,
    )
    def test_any_change_of_the_header(self, path: Path, change: dict[str, Any]) -> None:
        rewrite(path, lambda own: own.update(change), valid_checksum=False)
        for load in (Model.load, ModelFile.open):
            with pytest.raises(
                FreelocError, match="is damaged: its header does not match the stored checksum"
            ):
                load(path)
        rewrite(path, lambda own: None)
        assert Model.load(path).header.classes[1] == "Köln 東京"

    def test_every_bit_of_the_header(self, path: Path) -> None:
        whole = path.read_bytes()
        (length,) = struct.unpack("<Q", whole[:8])
        sound = Model.load(path).header
        for position in range(8 + length):
            for bit in {0, position % 8}:
                damaged = bytearray(whole)
                damaged[position] ^= 1 << bit
                path.write_bytes(damaged)
                # A flipped bit may turn a blank into another one, which changes nothing.
                with suppress(ModelError):
                    assert ModelFile.open(path).header == sound
        path.write_bytes(whole)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_weights_that_are_no_numbers_are_not_written(self, tmp_path: Path, value: float) -> None:
        model = a_model()
        with torch.no_grad():
            next(model.head.parameters()).view(-1)[0] = value
        with pytest.raises(ModelError, match="non-finite values: train with a lower learning rate"):
            model.save(tmp_path / "m")
        assert not (tmp_path / "m").exists()

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    @pytest.mark.parametrize("name", ["fca.weight", "fcb.bias"])
    def test_weights_that_are_no_numbers_are_not_loaded(self, path: Path, name: str, value: float) -> None:
        """OpenVINO passes over NaN when it computes a maximum, so scores could be finite and wrong."""
        rewrite(path, lambda own: own.pop("weights"))
        rewrite(path, partial(make_old, version=1))
        header, tensors = split(path.read_bytes())
        start, _end = header[name]["data_offsets"]
        damaged = tensors[:start] + struct.pack("<f", value) + tensors[start + 4 :]
        write_parts(path, header, damaged)
        with pytest.raises(ModelError, match=rf"is damaged: its {name} contains values that are not finite"):
            Model.load(path)

    def test_weights_that_float32_cannot_represent_are_not_loaded(self, path: Path) -> None:
        rewrite(path, lambda own: own.pop("weights"))
        rewrite(path, partial(make_old, version=1))
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            tensors = {key: file.get_tensor(key).double() for key in file.keys()}  # noqa: SIM118
        tensors["fca.weight"][0, 0] = 1e300
        save_file(tensors, path, metadata)
        with pytest.raises(ModelError, match=r"its fca\.weight contains values that are not finite"):
            Model.load(path)

    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.data())
    def test_any_damage_is_told_in_one_sentence_or_harmless(self, path: Path, data: st.DataObject) -> None:
        whole = path.read_bytes()
        damaged = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 3))):
            damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(damaged)
        try:
            with suppress(FreelocError):
                Model.load(path)
        finally:
            path.write_bytes(whole)

    def test_a_pickle_is_not_run(self, tmp_path: Path) -> None:
        marker = tmp_path / "marker"

        class Trap:
            def __reduce__(self) -> tuple[object, ...]:
                return os.mkdir, (str(marker),)

        for name, protocol in (("old", 0), ("new", 5)):
            (tmp_path / name).write_bytes(pickle.dumps(Trap(), protocol))
        torch.save({"head": Trap()}, tmp_path / "zipped")
        for name in ("old", "new", "zipped"):
            with pytest.raises(FreelocError, match="cannot read model"):
                Model.load(tmp_path / name)
        assert not marker.exists()
        with suppress(Exception):
            pickle.loads((tmp_path / "new").read_bytes())
        assert marker.exists(), "the trap itself must work"

    @pytest.mark.parametrize("name", ["taken/model", "x" * 256, "."])
    def test_a_place_that_cannot_be_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "taken").write_text("x")
        with pytest.raises(FreelocError, match="cannot write"):
            a_model().save(name)
        assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]
