"""The prediction record of one image: a flat and stable JSON object.

A record (``schema_version`` 1)::

    {
      "schema_version": 1,
      "image": "album/0001.jpg",        name of the image, as the caller gave it
      "width": 500, "height": 375,      upright size in pixels: the frame of all coordinates
      "mode": "fused",                  how the points were found: "fused" or "paper"
      "threshold": 0.5,                 probability from which "present" is true; null where each class has its own
      "classes": [                      every class of the model, most probable first
        {
          "name": "dog",
          "score": 3.21,                mean over scales of the raw score map's maximum
          "probability": 0.961,         calibrated where the model is, the logistic of the score otherwise
          "x": 212.4, "y": 140.0,       the most confident location, (0, 0) is the image's top left corner
          "response": 0.873,            value of the map there: 0 to 1 when fused, a raw score the paper's way
          "threshold": 0.5,             probability from which this class is "present"
          "present": true,
          "peaks": [{"x": 212.4, "y": 140.0, "value": 0.873}, …],   only when asked for
          "boxes": [                    likewise, the surest first; none where the probability is under 1%
            {"x1": 180.0, "y1": 96.0, "x2": 264.0, "y2": 212.0, "score": 0.9}, …
          ]
        }, …
      ]
    }

Coordinates have two decimals, other numbers six significant digits. A number that is none (NaN or infinite, from
a broken model) is written as null. Fields may be added within a version; none is renamed, removed or given
another meaning without a new version.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from freeloc.inference.result import ClassLocation, Localization

__all__ = ["SCHEMA_VERSION", "localization_record"]


SCHEMA_VERSION = 1
"""Version of the record's fields."""


def localization_record(
    localization: Localization,
    *,
    threshold: float | None = None,
    peaks: int = 0,
    boxes: int = 0,
    image_name: str | None = None,
) -> dict[str, Any]:
    """What freeloc says of one image as plain numbers, strings, lists and dicts; see the module's text.

    Args:
        localization: scores, points and maps.
        threshold: probability from which a class is present; without it the model's own, for each class.
        peaks: at most so many peaks per class; with 0 the field "peaks" is left out.
        boxes: likewise boxes.
        image_name: the field "image"; without it the image's path, or "" where it came from no file.
    """
    if image_name is None:
        image_name = localization.path.as_posix() if localization.path else ""
    shared = {location.threshold for location in localization} if threshold is None else {threshold}
    return {
        "schema_version": SCHEMA_VERSION,
        "image": image_name,
        "width": localization.image_size.width,
        "height": localization.image_size.height,
        "mode": localization.mode,
        "threshold": _number(shared.pop()) if len(shared) == 1 else None,
        "classes": [
            _class_record(localization, location, threshold, peaks, boxes)
            for location in localization.ranked()
        ],
    }


def _class_record(
    localization: Localization, location: ClassLocation, threshold: float | None, peaks: int, boxes: int
) -> dict[str, Any]:
    record: dict[str, Any] = {
        "name": location.name,
        "score": _number(location.score),
        "probability": _number(location.probability),
        "x": _coordinate(location.x),
        "y": _coordinate(location.y),
        "response": _number(location.response),
        "threshold": _number(location.threshold if threshold is None else threshold),
        "present": location.is_present(threshold),
    }
    if peaks > 0:
        record["peaks"] = _peak_records(localization, location.name, peaks)
    if boxes > 0:
        record["boxes"] = _box_records(localization, location.name, boxes)
    return record


def _peak_records(localization: Localization, name: str, count: int) -> list[dict[str, float | None]]:
    if not np.isfinite(localization.maps[localization.classes.index(name)]).all():
        return []
    return [
        {"x": _coordinate(peak.x), "y": _coordinate(peak.y), "value": _number(peak.value)}
        for peak in localization.peaks(name, count=count)
    ]


def _box_records(localization: Localization, name: str, count: int) -> list[dict[str, float | None]]:
    if not np.isfinite(localization.maps[localization.classes.index(name)]).all():
        return []
    return [
        {
            **{edge: _coordinate(getattr(box, edge)) for edge in ("x1", "y1", "x2", "y2")},
            "score": _number(box.score),
        }
        for box in localization.boxes(name, count=count)
    ]


def _coordinate(value: float) -> float | None:
    return round(float(value), 2) + 0.0 if math.isfinite(value) else None


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") + 0.0 if math.isfinite(value) else None
