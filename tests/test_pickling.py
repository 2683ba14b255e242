"""Public errors, options and results survive pickling, so that they can cross a process boundary."""

from __future__ import annotations

import copy
import dataclasses
import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import freeloc
from freeloc import errors
from freeloc.datasets import Dataset
from freeloc.datasets.problems import DataProblems, Problem
from freeloc.errors import (
    DatasetError,
    FreelocError,
    ImageError,
    MalformedFileError,
    MissingDependencyError,
    ModelError,
    OutputError,
)

FILE = Path("a.csv")

ERRORS: list[FreelocError] = [
    *(
        error("it failed", parameter="scales")
        for error in vars(errors).values()
        if isinstance(error, type)
        and issubclass(error, FreelocError)
        and error not in (MalformedFileError, MissingDependencyError)
    ),
    ImageError("cannot read", path=FILE, reason="torn", parameter="skip_bad"),
    DatasetError("no images", path=FILE),
    ModelError("damaged", path=FILE),
    OutputError("cannot write", path=FILE),
    MalformedFileError(FILE, 3, "odd"),
    MalformedFileError(FILE, None, "odd"),
    MissingDependencyError("no nncf", extra="int8"),
    DataProblems(FILE, [Problem("bad_value", FILE, 3, "odd"), Problem("missing_image", FILE, 2, "gone")]),
    DataProblems(FILE, [Problem("bad_value", FILE, 3, "odd")], fatal=1),
]


def raise_error(index: int) -> None:
    raise ERRORS[index]


def assert_same(found: BaseException, wanted: FreelocError) -> None:
    assert type(found) is type(wanted)
    assert str(found) == str(wanted)
    assert vars(found) == vars(wanted)
    assert found.args == wanted.args


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_errors_are_the_same_after_pickling(error: FreelocError, protocol: int) -> None:
    assert_same(pickle.loads(pickle.dumps(error, protocol)), error)
    assert_same(copy.copy(error), error)
    assert_same(copy.deepcopy(error), error)


def test_a_pool_of_processes_passes_on_every_error() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for index, wanted in enumerate(ERRORS):
            result = pool.apply_async(raise_error, (index,))
            with pytest.raises(FreelocError) as caught:
                result.get(timeout=120)  # an error that cannot be unpickled would never arrive
            assert_same(caught.value, wanted)


def assert_equal(found: Any, wanted: Any) -> None:
    """Compare values field by field, arrays included."""
    assert type(found) is type(wanted)
    if dataclasses.is_dataclass(wanted):
        for field in dataclasses.fields(wanted):
            assert_equal(getattr(found, field.name), getattr(wanted, field.name))
    elif isinstance(wanted, np.ndarray):
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == wanted.dtype
    elif isinstance(wanted, tuple | list):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            assert_equal(one, other)
    elif isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            assert_equal(found[key], value)
    elif isinstance(wanted, float):
        np.testing.assert_equal(found, wanted)  # an undefined measure is NaN
    else:
        assert found == wanted


def test_results_are_the_same_after_pickling(tiny_localizer: freeloc.Localizer, tiny_scenes: Dataset) -> None:
    path = tiny_scenes.samples[0].path
    result = tiny_localizer.predict(path)
    predictions = freeloc.collect(tiny_localizer, tiny_scenes, "tiny", quiet=True)
    name = result.ranked()[0].name
    values: list[Any] = [
        *(result, result.ranked(), result.peaks(name), result.boxes(name), tiny_localizer.score_maps(path)),
        *(tiny_scenes, tiny_localizer.model.header, tiny_localizer.options, predictions),
        freeloc.evaluate([predictions], tiny_scenes, freeloc.EvaluationOptions(resamples=5)),
        *(
            freeloc.Recipe(),
            freeloc.TrainingSettings(),
            freeloc.LocalizerOptions(),
            freeloc.PredictionOptions(),
        ),
        *(
            freeloc.EvaluationOptions(),
            freeloc.DatasetChecks(),
            freeloc.ModelCard("name"),
            freeloc.list_models(),
        ),
    ]
    for value in values:
        assert_equal(pickle.loads(pickle.dumps(value)), value)
    evaluation = values[9]
    described = [
        result,
        *result,
        *values[4],
        tiny_scenes,
        *tiny_scenes,
        predictions,
        evaluation,
        *evaluation.rows,
    ]
    for value in (*described, tiny_localizer, tiny_localizer.model, tiny_localizer.model.header):
        assert len(repr(value)) < 250, repr(value)


def test_the_labels_of_a_copied_dataset_are_read_only(tiny_scenes: Dataset) -> None:
    for sample in pickle.loads(pickle.dumps(tiny_scenes)):
        assert not sample.labels.flags.writeable
