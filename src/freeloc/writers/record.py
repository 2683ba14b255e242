"""The record of one image's prediction: a JSON object with a stable schema.

A record (``schema_version`` 1)::

    {
      "schema_version": 1,
      "image": "album/0001.jpg",        path of the image or video, as specified by the caller
      "frame": 120, "time": 4.004,      only for a frame of a video: its number, counted from 0, and when it is
                                        presented, in seconds from the start of the video
      "model": {"name": "voc20", "version": "1.0", "hash": "3f0c…"},
                                        the model; the hash is the SHA-256 of its file
      "preset": "best",                 the preset that was specified; null if there was none
      "precision": "bfloat16",          arithmetic of the network: "float32", "bfloat16" or "int8"
      "freeloc": "1.0.0",               version of freeloc
      "files": ["overlays/0001.jpg"],   other files written for this image, relative to the output folder
      "width": 500, "height": 375,      size of the upright image in pixels
      "mode": "fused",                  how points were located: "fused" or "paper"
      "point": "salient",               which place of an object its point is: "salient" or "central"
      "threshold": 0.5,                 minimum probability of present classes; null if it differs by class
      "classes": [                      every class of the model, by decreasing probability
        {
          "name": "dog",
          "index": 11,                  place among the model's classes, from 0
          "score": 3.21,                raw score: mean over scales of the pooled score maps
          "probability": 0.961,         calibrated probability; sigmoid of the score for uncalibrated models
          "x": 212.4, "y": 140.0,       point in image coordinates; (0, 0) is the image's top-left corner
          "response": 0.873,            map value at the point: 0 to 1 if "fused", a raw score if "paper"
          "threshold": 0.5,             minimum probability for this class to count as present
          "present": true,
          "peaks": [                    only if requested; by decreasing value
            {"x": 212.4, "y": 140.0, "value": 0.873}, …
          ],
          "boxes": [                    only if requested; by decreasing score; empty if probability is below
          1%
            {"x1": 180.0, "y1": 96.0, "x2": 264.0, "y2": 212.0, "score": 0.9}, …
          ],
          "mask": {                     only if requested, and for present classes
            "size": [375, 500], "counts": "…"
                                        height and width, and the pixels in COCO's compressed run-length encoding
          }
        }, …
      ]
    }

"model", "preset" and "precision" are null if the result was computed from score maps from elsewhere.
Coordinates are rounded to two decimals, other numbers to six significant digits. NaN and infinity, which only a
damaged model produces, become null. New fields may be added to version 1; the version increases when a field is
renamed or removed, or its meaning changes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from freeloc._printable import json_printable
from freeloc.inference.provenance import Provenance
from freeloc.inference.result import ClassLocation, Localization
from freeloc.io.versions import package_version
from freeloc.writers.base import WriterOptions
from freeloc.writers.masks import encode_mask

__all__ = ["SCHEMA_VERSION", "json_line", "json_text", "localization_record"]

SCHEMA_VERSION = 1
"""Version of the record's schema."""

_DEFAULT_OPTIONS = WriterOptions()


def localization_record(
    localization: Localization,
    options: WriterOptions = _DEFAULT_OPTIONS,
    *,
    image_name: str | None = None,
    files: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the record of one image as numbers, strings, lists and dicts; see the module docstring.

    Args:
        localization: scores, points and maps.
        options: the threshold, and the maximum numbers of peaks and boxes; 0 omits the field.
        image_name: value of the field "image"; default: the image's path, or "" for an image that is not from
            a file.
        files: other files written for the image, relative to the output folder.
    """
    if image_name is None:
        image_name = localization.path.as_posix() if localization.path else ""
    threshold = options.threshold
    thresholds = {location.threshold for location in localization} if threshold is None else {threshold}
    return {
        "schema_version": SCHEMA_VERSION,
        "image": image_name,
        **_frame(localization),
        **_provenance(localization.provenance),
        "files": list(files),
        "width": localization.image_size.width,
        "height": localization.image_size.height,
        "mode": localization.mode,
        "point": localization.point,
        "threshold": _number(thresholds.pop()) if len(thresholds) == 1 else None,
        "classes": [_class_record(localization, location, options) for location in localization.ranked()],
    }


def json_text(record: Mapping[str, Any]) -> str:
    """Return a record as one line of JSON, without a line break at its end.

    The text can be printed and encoded as UTF-8, because invisible characters and lone surrogates in names are
    escaped; see `freeloc._printable.json_printable`.

    Raises:
        ValueError: the record contains NaN or infinity.
    """
    return json_printable(json.dumps(record, ensure_ascii=False, allow_nan=False))


def json_line(record: Mapping[str, Any]) -> bytes:
    """Return a record as one line of JSON in UTF-8; see `json_text`."""
    return json_text(record).encode() + b"\n"


def _frame(localization: Localization) -> dict[str, Any]:
    if localization.frame is None or localization.time is None:
        return {}
    return {"frame": localization.frame, "time": localization.time}


def _provenance(provenance: Provenance | None) -> dict[str, Any]:
    if provenance is None:
        return {"model": None, "preset": None, "precision": None, "freeloc": package_version("freeloc")}
    return {
        "model": provenance.model.to_dict(),
        "preset": provenance.preset,
        "precision": provenance.precision,
        "freeloc": provenance.freeloc,
    }


def _class_record(
    localization: Localization, location: ClassLocation, options: WriterOptions
) -> dict[str, Any]:
    index = localization.classes.index(location.name)
    record: dict[str, Any] = {
        "name": location.name,
        "index": index,
        "score": _number(location.score),
        "probability": _number(location.probability),
        "x": _coordinate(location.x),
        "y": _coordinate(location.y),
        "response": _number(location.response),
        "threshold": _number(location.threshold if options.threshold is None else options.threshold),
        "present": location.is_present(options.threshold),
    }
    if not (options.peaks or options.boxes or options.masks):
        return record
    name, finite = location.name, bool(np.isfinite(localization.maps[index]).all())
    if options.peaks > 0:
        record["peaks"] = [
            {"x": _coordinate(peak.x), "y": _coordinate(peak.y), "value": _number(peak.value)}
            for peak in (localization.peaks(name, count=options.peaks) if finite else ())
        ]
    if options.boxes > 0:
        record["boxes"] = [
            {
                **{edge: _coordinate(getattr(box, edge)) for edge in ("x1", "y1", "x2", "y2")},
                "score": _number(box.score),
            }
            for box in (localization.boxes(name, count=options.boxes) if finite else ())
        ]
    if options.masks and finite and record["present"]:
        record["mask"] = encode_mask(localization.mask(name))
    return record


def _coordinate(value: float) -> float | None:
    # Adding 0.0 converts -0.0 to 0.0.
    return round(float(value), 2) + 0.0 if math.isfinite(value) else None


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") + 0.0 if math.isfinite(value) else None
