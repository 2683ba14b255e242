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
    from freeloc.calibrating import calibrate
    from freeloc.datasets import open_dataset
    from freeloc.errors import FreelocError
    from freeloc.evaluation import EvaluationOptions, collect, evaluate
    from freeloc.listing import list_models
    from freeloc.localization import ClassLocation, Localization
    from freeloc.localizer import Localizer
    from freeloc.model import Model
    from freeloc.modelfile import ModelCard
    from freeloc.peaks import Peak
    from freeloc.prediction import PredictionOptions, predict_files
    from freeloc.quantization import quantize
    from freeloc.registry import find_model
    from freeloc.releasing import release
    from freeloc.training.recipe import Recipe, named_recipe
    from freeloc.training.run import train
    from freeloc.trunks import load_trunk

__all__ = [
    "ClassLocation",
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
    "load_trunk",
    "named_recipe",
    "open_dataset",
    "predict_files",
    "quantize",
    "release",
    "train",
]

_HOMES = {
    "ClassLocation": "freeloc.localization",
    "EvaluationOptions": "freeloc.evaluation",
    "FreelocError": "freeloc.errors",
    "Localization": "freeloc.localization",
    "Localizer": "freeloc.localizer",
    "Model": "freeloc.model",
    "ModelCard": "freeloc.modelfile",
    "Peak": "freeloc.peaks",
    "PredictionOptions": "freeloc.prediction",
    "Recipe": "freeloc.training.recipe",
    "calibrate": "freeloc.calibrating",
    "collect": "freeloc.evaluation",
    "evaluate": "freeloc.evaluation",
    "find_model": "freeloc.registry",
    "list_models": "freeloc.listing",
    "load_trunk": "freeloc.trunks",
    "named_recipe": "freeloc.training.recipe",
    "open_dataset": "freeloc.datasets",
    "predict_files": "freeloc.prediction",
    "quantize": "freeloc.quantization",
    "release": "freeloc.releasing",
    "train": "freeloc.training.run",
}


def __getattr__(name: str) -> object:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'freeloc' has no attribute {name!r}") from None
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
