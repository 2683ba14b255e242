"""The hierarchy of errors and their fields."""

from __future__ import annotations

import inspect
import re
from errno import ENOENT
from pathlib import Path
from typing import Literal

import pytest

from freeloc import errors
from freeloc.datasets.problems import DataProblems, Problem
from freeloc.errors import (
    BackboneError,
    ConfigurationError,
    DatasetError,
    FreelocError,
    ImageError,
    MalformedFileError,
    MissingDependencyError,
    ModelError,
    OutputError,
    ResourceError,
    TrainingError,
    check_choice,
    check_seed,
)
from tests.hostile_names import HOSTILE, is_safe

DEFINED = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == "freeloc.errors"
}


def documented_hierarchy() -> dict[str, str | None]:
    """The parent of each error in the tree of the module's docstring."""
    parents: dict[str, str | None] = {}
    branch: list[str] = []
    for line in (inspect.getdoc(errors) or "").splitlines():
        match = re.match(r"^((?:    |│   |├── |└── )*)(\w+(?:Error|Problems))\b", line)
        if match is None:
            continue
        depth = len(match[1]) // 4 - 1  # the tree is indented as a literal block
        branch[depth:] = [match[2]]
        parents[match[2]] = branch[depth - 1] if depth else None
    return parents


def test_the_documented_hierarchy_is_the_real_one() -> None:
    documented = documented_hierarchy()
    assert documented.keys() == {*DEFINED, "DataProblems"}
    for name, parent in documented.items():
        error = DataProblems if name == "DataProblems" else DEFINED[name]
        base = error.__bases__[0]
        assert base is (Exception if parent is None else DEFINED[parent]), name


def test_every_error_is_exported() -> None:
    assert set(errors.__all__) == {*DEFINED, "check_choice", "check_seed"}


def test_a_configuration_error_is_a_value_error() -> None:
    assert issubclass(ConfigurationError, ValueError)
    others = [error for error in DEFINED.values() if not issubclass(error, ConfigurationError)]
    assert not any(issubclass(error, ValueError) for error in others)


def test_what_is_missing_is_a_file_not_found_error() -> None:
    missing = [
        error for name, error in DEFINED.items() if name.startswith("Missing") and "Dependency" not in name
    ]
    assert len(missing) == 5
    assert all(issubclass(error, FileNotFoundError) for error in missing)
    others = [error for error in DEFINED.values() if error not in missing]
    assert not any(issubclass(error, OSError) for error in others)
    error = errors.MissingImageError("cannot read a.jpg: the file does not exist", path=Path("a.jpg"))
    assert str(error) == "cannot read a.jpg: the file does not exist"
    assert (error.errno, error.filename, error.path) == (ENOENT, "a.jpg", Path("a.jpg"))
    assert error.strerror == "No such file or directory"


@pytest.mark.parametrize(
    "error",
    [
        FreelocError,
        ConfigurationError,
        ImageError,
        DatasetError,
        ModelError,
        BackboneError,
        TrainingError,
        OutputError,
        ResourceError,
    ],
)
def test_the_parameter_is_a_field(error: type[FreelocError]) -> None:
    assert error("message", parameter="scales").parameter == "scales"
    assert error("message").parameter is None
    assert str(error("message", parameter="scales")) == "message"


@pytest.mark.parametrize("error", [ImageError, DatasetError, ModelError, OutputError])
def test_the_path_is_a_field(error: type[ImageError]) -> None:
    assert error("message", path=Path("a.jpg")).path == Path("a.jpg")
    assert error("message").path is None


def test_the_reason_of_an_image_error() -> None:
    assert (
        ImageError("cannot read a.jpg: it is empty; replace it", reason="it is empty").reason == "it is empty"
    )
    assert ImageError("message").reason == "message"


@pytest.mark.parametrize(("line", "message"), [(3, "a.csv:3: odd"), (None, "a.csv: odd")])
def test_the_location_of_a_malformed_file(line: int | None, message: str) -> None:
    error = MalformedFileError(Path("a.csv"), line, "odd")
    assert (str(error), error.file, error.path, error.line, error.reason) == (
        message,
        Path("a.csv"),
        Path("a.csv"),
        line,
        "odd",
    )


def test_the_extra_of_a_missing_dependency() -> None:
    assert MissingDependencyError("message", extra="int8").extra == "int8"
    assert MissingDependencyError("message").extra is None


def test_all_problems_of_a_dataset_are_one_dataset_error() -> None:
    problem = Problem("duplicate_row", Path("a.csv"), 3, "again")
    assert isinstance(DataProblems(Path("a.csv"), [problem]), DatasetError)


def test_check_choice() -> None:
    choices = Literal["fast", "best"]
    check_choice("preset", "fast", choices)
    with pytest.raises(ConfigurationError) as caught:
        check_choice("preset", "slow", choices)
    assert str(caught.value) == "preset is 'slow': choose one of fast, best"
    assert caught.value.parameter == "preset"


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("error", sorted(set(DEFINED.values()) - {MalformedFileError}, key=str))
def test_messages_are_one_safe_line(error: type[FreelocError], name: str) -> None:
    message = str(error(f"cannot read {name}"))
    assert is_safe(message)
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_paths_in_errors_stay_exact(name: str) -> None:
    error = MalformedFileError(Path(name), 3, f"unknown class {name}")
    assert is_safe(str(error))
    assert error.file == Path(name)
    assert error.reason == f"unknown class {name}"


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_seeds(seed: int) -> None:
    check_seed(seed)


@pytest.mark.parametrize("seed", [-1, 2**63, 10**30, 1.0, "1", None, True])
def test_what_is_no_seed(seed: int) -> None:
    with pytest.raises(ConfigurationError, match="it must be a whole number from 0 to ") as caught:
        check_seed(seed)
    assert caught.value.parameter == "seed"
