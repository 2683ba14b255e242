"""Headers of damaged or malicious files: every value is either accepted or rejected with one line, at low cost."""

from __future__ import annotations

import copy
import dataclasses
import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from freeloc.errors import ConfigurationError, ModelError
from freeloc.geometry.grid import CellLayout
from freeloc.io.typed_json import decode_json
from freeloc.models.calibration import Calibration
from freeloc.models.card import ModelCard
from freeloc.models.header import METADATA_KEY, ModelFile, ModelHeader
from freeloc.models.int8_facts import int8_facts
from freeloc.models.model import Model
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings

HEADER = ModelHeader(
    backbone="efficientnet_lite0",
    backbone_fingerprint="ab" * 32,
    classes=("cat", "Köln 東京", ""),
    head=HeadSettings(6, 3, hidden=5, feature_dropout=0.25, hidden_dropout=0.125),
    scales=(0.5, 1 / 3, 2.8),
    padding="square",
    pooling="average",
    threshold=0.1 + 0.2,
    box_threshold=0.25,
    layout=CellLayout(32, 16.0),
    pad_color=(128, 127, 0),
    manifest={"recipe": {"epochs": 3}, "data": {"fingerprint": "f", "positives": {"cat": 3}}, "seed": 7},
    calibration=Calibration((0.5, 0.0, 1.0), (-1.0, 0.1, 7.0), (0.5, 0.25, 1.0), {"images": 9}),
    card=ModelCard("pets", "1.0", "Three classes.", "CC BY 4.0"),
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-3, 3)
    | st.floats(allow_nan=True)
    | st.text(max_size=5)
    | st.sampled_from(["max", "stride", "square", 10**9, -(10**30), 1e308, "\ud800"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def paths(value: Any, prefix: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the paths of all values nested in a JSON value."""
    nested: list[tuple[str | int, ...]] = [prefix] if prefix else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        nested += paths(inner, (*prefix, key))
    return nested


def nested(depth: int) -> dict[str, Any]:
    """Return JSON objects that contain each other."""
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"inner": value}
    return value


VALUES = json.loads(json.dumps(HEADER.to_dict()))
PATHS = paths(VALUES)


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return dict(AdaptationHead(HEADER.head).state_dict())


def write(path: Path, tensors: dict[str, torch.Tensor], values: Any) -> None:
    """Write a file of the last version without a checksum, so that the header alone decides."""
    if isinstance(values, dict) and values.get("format_version") == 4:
        values = values | {"format_version": 1}
    save_file(tensors, path, metadata={METADATA_KEY: json.dumps(values)})


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(PATHS), json_values)
def test_any_value_in_any_field_is_accepted_or_refused_in_one_line(
    tmp_path: Path, tensors: dict[str, torch.Tensor], where: tuple[str | int, ...], value: Any
) -> None:
    values = copy.deepcopy(VALUES)
    parent = values
    for key in where[:-1]:
        parent = parent[key]
    parent[where[-1]] = value
    write(tmp_path / "m", tensors, values)
    try:
        model = Model.load(tmp_path / "m")
    except ModelError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 1000
        assert error.path == tmp_path / "m"
    else:
        # A file that loads can be written and read again.
        model.save(tmp_path / "again")
        assert Model.load(tmp_path / "again").header.to_dict().keys() == model.header.to_dict().keys()


@given(json_values)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_as_the_header_is_refused(
    tmp_path: Path, tensors: dict[str, torch.Tensor], value: Any
) -> None:
    write(tmp_path / "m", tensors, value)
    with pytest.raises(ModelError, match=r"^cannot (load|read) model "):
        ModelFile.open(tmp_path / "m")


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        ("backbone", 3, "backbone: it must be text, not a whole number"),
        ("backbone", "x" * 10**6, "backbone: it must have at most 1000 characters"),
        ("classes", "cat", "classes: it must be a list, not text"),
        ("classes", ["cat", 3, ""], r"classes\[1\]: it must be text, not a whole number"),
        ("classes", ["cat", "dog"], "the head has 3 classes, but there are 2 class names"),
        ("classes", ["a"] * 100_001, "classes: it must have at most 100000 items"),
        ("classes", ["cat", "dog", "cat"], "the class name 'cat' occurs more than once"),
        ("classes", ["same"] * 100_000, "the class name 'same' occurs more than once"),
        ("classes", [], "the head has 3 classes, but there are 0 class names"),
        ("classes", [["cat"], "dog", "cow"], r"classes\[0\]: it must be text, not a list"),
        ("backbone_fingerprint", None, "backbone_fingerprint: it must be text, not null"),
        ("head", {"width": 10**9, "classes": 3}, "head: width of the head is 1000000000"),
        (
            "head",
            {"width": 10**6, "classes": 3, "hidden": 10**6},
            "fca.weight has the shape 5×6, but the header requires 1000000×1000000",
        ),
        ("head", {"width": 6, "classes": 3, "hidden": 0}, "fcb.weight has the shape 3×5, .* requires 3×6"),
        ("head", {"width": 6.5, "classes": 3}, "head.width: it must be a whole number, not a number"),
        (
            "head",
            {"width": 6, "classes": 3, "hidden": 5, "hidden_dropout": [0.5]},
            "hidden_dropout: it must be a number",
        ),
        (
            "head",
            {"width": 6, "classes": 3, "hidden": 5, "hidden_dropout": 1.0},
            "hidden_dropout of the head",
        ),
        ("head", {"width": 10**30, "classes": 3}, "width of the head is 1000000"),
        (
            "head",
            {"width": 6, "classes": 3, "hidden": 5, "unknown": 1},
            "head has the unknown field 'unknown'",
        ),
        ("head", [6, 3], "head: it must be an object, not a list"),
        ("scales", [], "scales is empty"),
        ("scales", [1e9], "scales contains 1e"),
        ("scales", ["a"], r"scales\[0\]: it must be a number, not text"),
        ("scales", [1.0] * 101, "scales: it must have at most 100 items"),
        ("padding", "round", "padding: 'round' is not one of the possible values"),
        ("threshold", 7, "threshold: it must be at most 1.0"),
        ("threshold", [0.5], "threshold: it must be a number, not a list"),
        ("box_threshold", 1e308, "box_threshold: it must be at most 1.0"),
        ("scales", [[1.0]], r"scales\[0\]: it must be a number, not a list"),
        ("scales", {"a": 1.0}, "scales: it must be a list, not an object"),
        ("scales", [10**400], "range"),
        ("threshold", True, "threshold: it must be a number, not true or false"),
        ("layout", {"stride": 0, "offset": 1.0}, "the cell layout is out of range"),
        ("layout", {"stride": 10**9, "offset": 1.0}, "the cell layout is out of range"),
        ("layout", {"stride": 1.5, "offset": 1.0}, "layout.stride: it must be a whole number, not a number"),
        ("layout", {"stride": [32], "offset": 1.0}, "layout.stride: it must be a whole number, not a list"),
        ("layout", {"stride": 32, "offset": 1e300}, "the cell layout is out of range"),
        ("layout", {"stride": 32, "offset": 1.0, "window": 0}, "the cell layout is out of range"),
        ("layout", {"stride": 32, "offset": 1.0, "window": 10**40}, "the cell layout is out of range"),
        ("layout", {"stride": 32}, "layout: the field offset is missing"),
        ("layout", {"stride": 32, "offset": 1.0, "size": 3}, "layout has the unknown field 'size'"),
        ("pad_color", [1, 2], "pad_color: it must have exactly 3 items, not 2"),
        ("pad_color", [1, 2, 10**6], r"pad_color\[2\]: it must be at most 255"),
        ("pad_color", [1, 2, 10**600], r"pad_color\[2\]: it must be at most 255"),
        ("pad_color", [1, 2, 3.5], r"pad_color\[2\]: it must be a whole number, not a number"),
        ("pad_color", 7, "pad_color: it must "),
        ("pad_color", [1, 2, 256], r"pad_color\[2\]: it must be at most 255"),
        ("manifest", {"data": [1]}, "data in the manifest is not a JSON object"),
        ("manifest", nested(40), "nested too deeply"),
        ("manifest", {"recipe": {"deep": nested(31)}}, "nested too deeply"),
        ("manifest", 3, "manifest: it must be an object, not a whole number"),
        (
            "calibration",
            {"slopes": [1.0], "offsets": [0.0], "thresholds": [0.5]},
            "the calibration has 1 classes",
        ),
        (
            "calibration",
            {"slopes": [1.0, 1e300, 1.0], "offsets": [0.0] * 3, "thresholds": [0.5] * 3},
            "slopes must be between 0 and 1e",
        ),
        (
            "calibration",
            {"slopes": [1.0] * 3, "offsets": [0.0, 0.0, -1e12], "thresholds": [0.5] * 3},
            "offsets must be between -1e",
        ),
        (
            "calibration",
            {"slopes": [1.0] * 3, "offsets": [0.0] * 3, "thresholds": [0.5] * 3, "facts": {"a": nested(40)}},
            "nested too deeply",
        ),
        ("calibration", [1.0], "calibration: it must be an object or null, not a list"),
        ("calibration", {"slopes": []}, "calibration: the field offsets is missing"),
        ("card", {"name": "x" * 10_001}, "card.name: it must have at most 10000 characters"),
        ("card", {}, "card: the field name is missing"),
        ("weights", 3, "weights: it must be text"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_the_message_names_the_field(
    tmp_path: Path, tensors: dict[str, torch.Tensor], where: str, value: Any, message: str
) -> None:
    write(tmp_path / "m", tensors, VALUES | {where: value})
    with pytest.raises(
        ModelError, match=f"model .*m is damaged: .*{message}.*; copy or train it again"
    ) as caught:
        Model.load(tmp_path / "m")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("depth", [100, 900, 10_000])
def test_deeply_nested_json_is_refused(
    tmp_path: Path, tensors: dict[str, torch.Tensor], opening: str, depth: int
) -> None:
    closing = "]" if opening == "[" else "}"
    deep = opening * depth + "0" + closing * depth
    text = json.dumps(VALUES | {"manifest": {"deep": "DEEP"}, "format_version": 1}).replace('"DEEP"', deep)
    save_file(tensors, tmp_path / "m", metadata={METADATA_KEY: text})
    with pytest.raises(ModelError, match="nested too deeply"):
        ModelFile.open(tmp_path / "m")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "1" + "0" * 5000, "-1e999"])
def test_numbers_out_of_range_are_refused(
    tmp_path: Path, tensors: dict[str, torch.Tensor], number: str
) -> None:
    text = json.dumps(VALUES | {"manifest": {"loss": "NUMBER"}, "format_version": 1})
    save_file(tensors, tmp_path / "m", metadata={METADATA_KEY: text.replace('"NUMBER"', number)})
    with pytest.raises(ModelError, match="cannot read model"):
        ModelFile.open(tmp_path / "m")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fcb.weight": None}, "the tensor fcb.weight is missing"),
        ({"fca.bias": None}, "the tensor fca.bias is missing"),
        ({"fcb.bias": torch.zeros(2)}, "fcb.bias has the shape 2, but the header requires 3"),
        ({"fcb.weight": torch.zeros(2, 5)}, "fcb.weight has the shape 2×5, but the header requires 3×5"),
        ({"fcb.weight": torch.zeros(3, 5, dtype=torch.int32)}, "fcb.weight has the data type I32"),
        ({"fcc.weight": torch.zeros(3)}, "the tensor fcc.weight does not belong to a model"),
        ({"backbone.a": torch.zeros(3)}, "changed backbone weights and backbone_base must be"),
        ({"int8.weights": torch.zeros(3, dtype=torch.uint8)}, "its int8 network and its header must be"),
    ],
)
def test_tensors_that_do_not_fit_the_header_are_noticed_without_reading_them(
    tmp_path: Path, tensors: dict[str, torch.Tensor], change: dict[str, torch.Tensor | None], message: str
) -> None:
    changed = {name: value for name, value in (tensors | change).items() if value is not None}
    write(tmp_path / "m", changed, VALUES)
    for load in (ModelFile.open, Model.load):
        with pytest.raises(ModelError, match=message):
            load(tmp_path / "m")


@pytest.mark.parametrize("moment", ["before the hash", "after the hash"])
def test_a_file_replaced_while_it_is_in_use(
    tmp_path: Path, tensors: dict[str, torch.Tensor], moment: str
) -> None:
    write(tmp_path / "m", tensors, VALUES)
    file = ModelFile.open(tmp_path / "m")
    if moment == "after the hash":
        assert len(file.content_hash) == 64
    write(tmp_path / "other", tensors, VALUES | {"threshold": 0.5})
    (tmp_path / "other").replace(tmp_path / "m")
    with pytest.raises(ModelError, match="was replaced, modified or deleted while it was in use"):
        file.check_stamp()
    if moment == "before the hash":
        with pytest.raises(ModelError, match="was replaced, modified or deleted while it was in use"):
            _ = file.content_hash


def test_headers_of_megabytes_are_refused(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    write(tmp_path / "m", tensors, VALUES | {"manifest": {"notes": "x" * 17 * 2**20}})
    with pytest.raises(ModelError, match=r"17\.8 MB, more than the limit of 16\.8 MB"):
        ModelFile.open(tmp_path / "m")


def test_a_header_that_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    head = AdaptationHead(HEADER.head)
    for header, message in (
        (dataclasses.replace(HEADER, manifest={"loss": float("nan")}), "malformed"),
        (dataclasses.replace(HEADER, manifest={"labels": {1, 2}}), "not JSON serializable"),
        (dataclasses.replace(HEADER, backbone="x" * 2000), "backbone: it must have at most 1000 characters"),
    ):
        with pytest.raises(ModelError, match=f"cannot save the model: .*{message}"):
            Model(header, head).save(tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_json_and_back() -> None:
    trained = dataclasses.replace(HEADER, backbone_base="cd" * 32)
    for header in (
        HEADER,
        trained,
        dataclasses.replace(trained, int8={"images": 3}),
        dataclasses.replace(HEADER, int8={"images": 3}),
    ):
        values = decode_json(json.dumps(header.to_dict()))
        assert values["format_version"] == 4
        # The checksum belongs to a file; a header without a file has none.
        assert ModelHeader.from_json(values | {"checksum": ""}) == header


def test_a_header_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="nested too deeply"):
        dataclasses.replace(HEADER, manifest=nested(50))


def test_an_int8_network_for_other_cells_or_classes_is_refused() -> None:
    facts = int8_facts(HEADER.layout, HEADER.pad_color, HEADER.head)
    made = dataclasses.replace(HEADER, int8={"images": 3, **facts})
    for changes, message in (
        (
            {"layout": CellLayout(16, 16.0)},
            r"another layout \(\[32, 16.0, None\] instead of \[16, 16.0, None\]",
        ),
        ({"pad_color": (0, 0, 0)}, "another pad color"),
        ({"head": dataclasses.replace(HEADER.head, width=7)}, "another head"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            dataclasses.replace(made, **changes)


def test_fields_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="the head has 3 classes, but there are 1 class names"):
        dataclasses.replace(HEADER, classes=("cat",))
    with pytest.raises(ConfigurationError, match="scales"):
        dataclasses.replace(HEADER, scales=())


def test_the_header_is_read_without_the_tensors(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    write(tmp_path / "m", tensors, VALUES)
    data = bytearray((tmp_path / "m").read_bytes())
    (length,) = struct.unpack("<Q", data[:8])
    data[8 + length :] = bytes(len(data) - 8 - length)
    (tmp_path / "m").write_bytes(data)
    file = ModelFile.open(tmp_path / "m")
    assert file.header == HEADER
    assert file.int8_graph() is None
