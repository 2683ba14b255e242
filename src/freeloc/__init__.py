"""Object localization from image tags alone.

Example:
    ::

        import freeloc

        data = freeloc.open_dataset("photos/", split="train")
        freeloc.train(data, "run")
        localizer = freeloc.Localizer.load("run")
        for found in localizer.predict("street.jpg").present():
            print(found.name, found.probability, found.x, found.y)

Names are imported when they are first used, so that ``import freeloc`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from freeloc.datasets import DatasetChecks, open_dataset
    from freeloc.errors import FreelocError
    from freeloc.evaluation.evaluate import EvaluationOptions, collect, evaluate
    from freeloc.inference.localizer import Localizer
    from freeloc.inference.peaks import Peak
    from freeloc.inference.result import ClassLocation, Localization
    from freeloc.models.catalog import list_models
    from freeloc.models.header import ModelCard
    from freeloc.models.model import Model
    from freeloc.models.registry import find_model
    from freeloc.nn.backbones.registry import load_backbone
    from freeloc.posttraining.calibrate import calibrate
    from freeloc.posttraining.quantize import quantize
    from freeloc.posttraining.release import release
    from freeloc.prediction.predict_files import PredictionOptions, predict_files
    from freeloc.training.recipe import Recipe, named_recipe
    from freeloc.training.train import train

__all__ = [
    "ClassLocation",
    "DatasetChecks",
    "EvaluationOptions",
    "FreelocError",
    "Localization",
    "Localizer",
    "Model",
    "ModelCard",
    "Peak",
    "PredictionOptions",
    "Recipe",
    "calibrate",
    "collect",
    "evaluate",
    "find_model",
    "list_models",
    "load_backbone",
    "named_recipe",
    "open_dataset",
    "predict_files",
    "quantize",
    "release",
    "train",
]

_HOMES = {
    "ClassLocation": "freeloc.inference.result",
    "DatasetChecks": "freeloc.datasets",
    "EvaluationOptions": "freeloc.evaluation.evaluate",
    "FreelocError": "freeloc.errors",
    "Localization": "freeloc.inference.result",
    "Localizer": "freeloc.inference.localizer",
    "Model": "freeloc.models.model",
    "ModelCard": "freeloc.models.header",
    "Peak": "freeloc.inference.peaks",
    "PredictionOptions": "freeloc.prediction.predict_files",
    "Recipe": "freeloc.training.recipe",
    "calibrate": "freeloc.posttraining.calibrate",
    "collect": "freeloc.evaluation.evaluate",
    "evaluate": "freeloc.evaluation.evaluate",
    "find_model": "freeloc.models.registry",
    "list_models": "freeloc.models.catalog",
    "load_backbone": "freeloc.nn.backbones.registry",
    "named_recipe": "freeloc.training.recipe",
    "open_dataset": "freeloc.datasets",
    "predict_files": "freeloc.prediction.predict_files",
    "quantize": "freeloc.posttraining.quantize",
    "release": "freeloc.posttraining.release",
    "train": "freeloc.training.train",
}


def __getattr__(name: str) -> object:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'freeloc' has no attribute {name!r}") from None
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
