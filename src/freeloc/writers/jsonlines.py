"""JSON lines: one photograph, one line, one flat and stable record.

A record (``schema_version`` 1)::

    {
      "schema_version": 1,
      "photo": "album/0001.jpg",        name of the photograph, as the caller gave it
      "width": 500, "height": 375,      upright size in pixels: the frame of all coordinates
      "mode": "fused",                  how the points were found: "fused" or "paper"
      "threshold": 0.5,                 probability from which "present" is true; null where each class has its own
      "classes": [                      every class of the model, most probable first
        {
          "name": "dog",
          "score": 3.21,                mean over scales of the raw score map's maximum
          "probability": 0.961,         calibrated where the model is, the logistic of the score otherwise
          "x": 212.4, "y": 140.0,       the most confident location, (0, 0) is the photograph's top left corner
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

import json
import math
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from freeloc import atomic
from freeloc.errors import FreelocError
from freeloc.localization import ClassLocation, Localization

__all__ = ["SCHEMA_VERSION", "JsonLinesWriter", "StandardOutput", "localization_record"]

SCHEMA_VERSION = 1
"""Version of the record's fields."""


class JsonLinesWriter:
    """A JSON lines file that is whole or not there.

    Use it as a context manager. Lines go to a temporary file beside ``path`` as they come, so memory stays
    small however many photographs there are. On leaving without an error the file gets its name; after an
    error it is removed, and whatever stood at ``path`` stays as it was.

    Attributes:
        path: the file to write.
        count: lines written so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._place = ExitStack()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic.replacing(self.path))
            self._file = stack.enter_context(temporary.open("wb"))
            self._place = stack.pop_all()
        return self

    def write(self, record: Mapping[str, Any]) -> None:
        """Write one record as one line of UTF-8.

        Raises:
            FreelocError: the disk is full or gone.
            ValueError: the writer is not open, or the record holds NaN or an infinite number.
        """
        if self._file is None:
            raise ValueError("a JsonLinesWriter writes inside its with block only")
        line = _line(record)
        try:
            self._file.write(line)
        except OSError as error:
            raise atomic.write_error(self.path, error) from error
        self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        file, self._file = self._file, None
        if file is not None and error is None:
            with self._place:
                file.flush()
                os.fsync(file.fileno())
            return
        # The block's own error must stay what it is: `atomic.replacing` takes any OSError for one of writing.
        with suppress(_GivenUp, FreelocError), self._place:
            raise _GivenUp


class StandardOutput:
    """Records on standard output, each as soon as it is there: words on a terminal, JSON lines elsewhere.

    Attributes:
        count: records written so far.
    """

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def write(self, record: Mapping[str, Any]) -> None:
        """Write one record.

        Raises:
            OSError: standard output is closed or full.
        """
        if sys.stdout.isatty():
            sys.stdout.write(_words(record))
        else:
            # As bytes: a line is UTF-8 whatever the terminal's encoding.
            sys.stdout.buffer.write(_line(record))
        sys.stdout.flush()
        self.count += 1

    def __exit__(self, *_: object) -> None: ...


class _GivenUp(Exception):  # noqa: N818
    """The block inside the writer ended with an error."""


def localization_record(
    localization: Localization,
    *,
    threshold: float | None = None,
    peaks: int = 0,
    boxes: int = 0,
    photo_name: str | None = None,
) -> dict[str, Any]:
    """What freeloc says of one photograph as plain numbers, strings, lists and dicts; see the module's text.

    Args:
        localization: scores, points and maps.
        threshold: probability from which a class is present; without it the model's own, for each class.
        peaks: at most so many peaks per class; with 0 the field "peaks" is left out.
        boxes: likewise boxes.
        photo_name: the field "photo"; without it the photograph's path, or "" where it came from no file.
    """
    if photo_name is None:
        photo_name = localization.path.as_posix() if localization.path else ""
    shared = {location.threshold for location in localization} if threshold is None else {threshold}
    return {
        "schema_version": SCHEMA_VERSION,
        "photo": photo_name,
        "width": localization.photo.width,
        "height": localization.photo.height,
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


def _words(record: Mapping[str, Any]) -> str:
    """The classes that are present, a line each, under the photograph's name."""
    found = [entry for entry in record["classes"] if entry["present"]]
    lines = [
        f"  {entry['name']} {entry['probability']:.2f} at ({entry['x']:.0f}, {entry['y']:.0f})"
        for entry in found
    ]
    lines = [f"{record['photo']}{'' if found else ': nothing found'}", *lines]
    # Names are anybody's: no sign in them shall steer the terminal.
    printable = ("".join(sign if sign.isprintable() else "?" for sign in line) for line in lines)
    return "\n".join([*printable, ""])


def _line(record: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(record, ensure_ascii=False, allow_nan=False)
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        # A file name that is no UTF-8 holds halves of surrogate pairs; JSON can name them, UTF-8 cannot.
        return json.dumps(record, allow_nan=False).encode() + b"\n"
