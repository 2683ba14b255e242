"""The structure of the package: layers, and knowledge that is in only one place."""

from __future__ import annotations

import ast
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import freeloc

SOURCE = Path(freeloc.__file__).parent
ROOT = SOURCE.parent.parent

MODULES = {
    ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in MODULES.items()}


def package_of(module: str) -> str:
    """The first part below freeloc: ``freeloc.training.train`` is in ``training``."""
    return module.split(".")[1] if "." in module else "freeloc"


def modules_in(*packages: str) -> list[str]:
    return [name for name in MODULES if package_of(name) in packages]


def imports_of(module: str) -> Iterator[str]:
    """Every freeloc module that a module imports, also inside functions and for type checkers."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            if node.module and node.module.split(".")[0] == "freeloc":
                inner = [f"{node.module}.{alias.name}" for alias in node.names]
                yield from (name if name in MODULES else node.module for name in inner)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "freeloc")


PACKAGE_IMPORTS = {(package_of(name), package_of(other)) for name in MODULES for other in imports_of(name)}


# --- layers -----------------------------------------------------------------------------------------------


def test_the_import_contracts_hold() -> None:
    """The layers are listed in pyproject.toml; import-linter checks them."""
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    code = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(SOURCE.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"[1-9]\d* kept, 0 broken", done.stdout), done.stdout


def test_no_module_imports_the_whole_package() -> None:
    for name in MODULES:
        assert "freeloc" not in set(imports_of(name)) or name.endswith("__main__"), name


def diagram() -> str:
    blocks: list[str] = re.findall(
        r"```mermaid\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL
    )
    assert len(blocks) == 1, "CONTRIBUTING.md has one diagram"
    return blocks[0]


def test_the_diagram_of_the_flows_shows_real_imports() -> None:
    """An arrow means that data flows from one package to another: the second one imports the first."""
    edges: set[tuple[str, str]] = set()
    for line in diagram().splitlines():
        packages = re.findall(r"(\w+)(?:\[[^\]]*\])?\s*(?=-->|$)", line) if "-->" in line else []
        edges.update(itertools.pairwise(packages))
    assert len(edges) >= 15
    for source, target in edges:
        assert (target, source) in PACKAGE_IMPORTS, f"{target} does not import {source}"
    shown = {package for edge in edges for package in edge}
    libraries = {package_of(name) for name in MODULES} - {"freeloc", "__main__", "io", "errors"}
    assert {name for name in libraries if not name.startswith("_")} == shown


# --- one place for each kind of knowledge -----------------------------------------------------------------


def attributes(tree: ast.AST) -> set[str]:
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def test_exif_orientation_is_applied_in_one_module() -> None:
    users = {name for name, tree in TREES.items() if attributes(tree) & {"exif_transpose", "getexif"}}
    assert users == {"freeloc.images.exif_orientation"}


def test_environment_variables_are_read_in_one_module() -> None:
    users = {
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv"}
    }
    # timm, the messages of torch, and the kernels of OpenVINO can only be configured by such variables.
    configured = {
        "nn.backbones.timm_weights",
        "cli.process",
        "runtime.hardware",
        "runtime.isolated_network",
    }
    assert users - {f"freeloc.{name}" for name in configured} == {"freeloc.io.folders"}


# --- training from tags never reads a box -----------------------------------------------------------------


def boxes_read(tree: ast.AST) -> list[int]:
    """Return the lines that read an attribute ``boxes``, or contain its name as a string."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in {"boxes", "has_boxes"})
        or (isinstance(node, ast.Constant) and node.value in {"boxes", "has_boxes"})
    ]


def test_training_and_prediction_never_read_boxes() -> None:
    assert any(boxes_read(TREES[name]) for name in modules_in("evaluation")), (
        "the check would pass on nothing"
    )
    # Masked pooling is a row for comparison that is supervised by boxes.
    supervised = {"freeloc.training.masked_pooling"}
    assert all(boxes_read(TREES[name]) for name in supervised)
    for name in modules_in("nn", "runtime", "models", "features", "training", "posttraining"):
        assert name in supervised or not boxes_read(TREES[name]), name
    for name in ("localizer", "multiscale", "fusion", "score_map"):
        assert not boxes_read(TREES[f"freeloc.inference.{name}"]), name


def keyword_values(module: str, keyword: str) -> list[str]:
    calls = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.Call)]
    return [ast.unparse(word.value) for call in calls for word in call.keywords if word.arg == keyword]


def test_the_commands_that_train_open_data_without_boxes() -> None:
    found = [
        value
        for name in modules_in("cli")
        if name.rsplit(".", 1)[1] in {"train", "training_data", "check"}
        for value in keyword_values(name, "boxes")
    ]
    assert found == ["supervision != 'tags'"]
    assert keyword_values("freeloc.cli.calibrate", "boxes") in ([], ["False"])


# --- size of modules and functions ------------------------------------------------------------------------


def test_no_module_is_longer_than_four_hundred_lines() -> None:
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_no_function_takes_more_than_eight_parameters() -> None:
    long = []
    for name, tree in TREES.items():
        if package_of(name) == "cli":  # a command's parameters are its options
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                names = [argument.arg for argument in arguments if argument.arg not in {"self", "cls"}]
                if len(names) > 8:
                    long.append(f"{name}.{node.name}: {len(names)}")
    assert long == []


def test_messages_of_the_library_name_no_command_line_option() -> None:
    named = [
        f"{name}:{node.lineno}"
        for name, tree in TREES.items()
        if package_of(name) != "cli"
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and re.search(r"(?<![\w-])--[a-z]", ast.unparse(node))
    ]
    assert named == []
