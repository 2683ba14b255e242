"""The house plan, held against the imports: who may know whom."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import freeloc

SOURCE = Path(freeloc.__file__).parent

FLOORS = {
    # Small helpers that know nothing of the subject.
    "errors": 0,
    "atomic": 0,
    "batching": 0,
    "cachedir": 0,
    "keptarrays": 0,
    "overlap": 0,
    "pointwise": 0,
    "progress": 0,
    # Numbers, files of data, pixels: no network.
    "boxes": 1,
    "calibration": 1,
    "canvas": 1,
    "datasets": 1,
    "extents": 1,
    "geometry": 1,
    "metrics": 1,
    "peaks": 1,
    "photofinder": 1,
    "images": 1,
    "poolings": 1,
    "presets": 1,
    "registry": 1,
    # Parts of a network, and what their maps mean.
    "heads": 2,
    "localization": 2,
    "runtime": 2,
    "backbones": 2,
    # What is kept on disk.
    "featurecache": 3,
    "features": 3,
    "model": 3,
    "modelfile": 3,
    "search": 3,
    # Making a model, and holding one.
    "listing": 4,
    "featuremaps": 4,
    "localizer": 4,
    "looking": 4,
    "quantization": 4,
    "releasing": 4,
    "training": 4,
    # What is done with a model, and what leaves the program.
    "baselines": 5,
    "calibrating": 5,
    "demo": 5,
    "evaluation": 5,
    "prediction": 5,
    "proposals": 5,
    "reliability": 5,
    "report": 5,
    "reproduce": 5,
    "scaleout": 5,
    "server": 5,
    "writers": 5,
    # Words into calls.
    "__main__": 6,
    "cli": 6,
}
"""A room imports only from its own floor or from one with a lower number."""

NO_NETWORK = {room for room, floor in FLOORS.items() if floor <= 1} - {"pointwise"}
LEAVING = {"writers", "report", "server", "scaleout"}


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in MODULES.items()}


def room_of(module: str) -> str:
    """The room of a module: ``freeloc.training.train`` is in ``training``."""
    return module.split(".")[1] if "." in module else "freeloc"


def for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def statements(tree: ast.AST, *, inside: bool) -> Iterator[ast.stmt]:
    """Import statements that run: those of the module itself, and with ``inside`` of its functions too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif for_type_checkers(node) or (
            not inside and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        ):
            continue
        else:
            yield from statements(node, inside=inside)


def imported(module: str, *, inside: bool) -> set[str]:
    """Full names of what a module imports; a name out of a package stands for the module it is, if it is one."""
    names: set[str] = set()
    for node in statements(TREES[module], inside=inside):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            assert node.module is not None
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                names.add(below if below in MODULES else node.module)
    return names


def own(names: set[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] == "freeloc"}


def of_rooms(rooms: set[str]) -> list[str]:
    return [name for name in MODULES if room_of(name) in rooms]


def test_the_readers_of_this_file_see_the_imports() -> None:
    """The checks below would pass on nothing at all."""
    assert "freeloc.geometry.grid" in imported("freeloc.inference.result", inside=False)
    assert "torch" in imported("freeloc.nn.head", inside=False)
    assert "freeloc.training.train" in imported("freeloc.cli.train", inside=True)
    assert "freeloc.training.train" not in imported("freeloc.cli.train", inside=False)
    assert "freeloc.nn.backbones.base" not in imported("freeloc.nn.backbones.registry", inside=True)
    assert "freeloc.io.atomic" in imported("freeloc.writers.npz_maps", inside=False)


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(name) for name in MODULES} - {"freeloc"}
    assert rooms <= FLOORS.keys(), "write the new room's floor into FLOORS"


@pytest.mark.parametrize("module", [name for name in MODULES if name != "freeloc"])
def test_a_room_knows_only_rooms_above_it(module: str) -> None:
    here = room_of(module)
    for name in own(imported(module, inside=True)):
        assert name != "freeloc", f"{module} imports the whole package"
        there = room_of(name)
        assert FLOORS[there] <= FLOORS[here], f"{module} (floor {FLOORS[here]}) imports {name}"
        if here in LEAVING:
            assert there == here or there not in LEAVING, f"{module} imports {name}: rooms of what leaves"


def test_no_circles() -> None:
    graph = {name: own(imported(name, inside=False)) - {name} for name in MODULES}
    # Raises CycleError, which names the circle.
    graphlib.TopologicalSorter(graph).prepare()


def test_the_first_floors_know_no_network() -> None:
    for module in of_rooms(NO_NETWORK):
        roots = {name.split(".")[0] for name in imported(module, inside=True)}
        assert not roots & {"torch", "openvino", "safetensors", "timm"}, module


def test_metrics_know_no_prediction_and_networks_no_data() -> None:
    for module in of_rooms({"metrics"}):
        assert {room_of(name) for name in own(imported(module, inside=True))} <= {
            "metrics",
            "geometry",
            "errors",
        }
    for module in of_rooms({"backbones", "heads", "localization"}):
        assert "datasets" not in {room_of(name) for name in own(imported(module, inside=True))}
    for module in of_rooms({"training"}):
        found = {name for name in own(imported(module, inside=True)) if room_of(name) == "datasets"}
        assert found <= {"freeloc.datasets.dataset"}, f"{module} knows file formats"


def test_the_command_line_does_no_mathematics() -> None:
    for module in of_rooms({"cli"}):
        roots = {name.split(".")[0] for name in imported(module, inside=True)}
        assert not roots & {"numpy", "torch", "openvino", "PIL", "math"}, module


def boxes_read(tree: ast.AST) -> list[int]:
    """Lines that read an attribute called ``boxes``, or its name as a string."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in {"boxes", "has_boxes"})
        or (isinstance(node, ast.Constant) and node.value in {"boxes", "has_boxes"})
    ]


def test_training_and_prediction_never_look_at_boxes() -> None:
    assert boxes_read(TREES["freeloc.evaluation.evaluate"]), "the check would pass on nothing"
    rooms = {"training", "features", "heads", "model", "localizer", "localization", "backbones"}
    for module in of_rooms(rooms | {"calibrating", "calibration"}):
        if module == "freeloc.training.masked_pooling":  # masked pooling, a row for comparison, is told boxes
            assert boxes_read(TREES[module])
            continue
        assert not boxes_read(TREES[module]), module
    asked = []
    for module in ("freeloc.cli.train", "freeloc.cli.trainingdata"):
        for call in ast.walk(TREES[module]):
            if isinstance(call, ast.Call):
                asked += [ast.unparse(word.value) for word in call.keywords if word.arg == "boxes"]
    assert asked == ["supervision != 'tags'"]
    calls = [call for call in ast.walk(TREES["freeloc.cli.calibrate"]) if isinstance(call, ast.Call)]
    words = [ast.unparse(word.value) for call in calls for word in call.keywords if word.arg == "boxes"]
    assert words == ["False"]


def test_no_module_is_longer_than_five_hundred_lines() -> None:
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > 500} == {}


def test_exif_is_applied_where_images_come_in_and_nowhere_else() -> None:
    for name, tree in TREES.items():
        if room_of(name) not in {"images", "datasets"}:
            words = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            assert not words & {"exif_transpose", "getexif"}, name
