"""Ways to present a result, which higher packages define.

`freeloc.writers` and `freeloc.visualization` work on results, so this package cannot import them. A method of a
result that calls one of their functions finds it by its location, as `freeloc._registry` finds built-in
components.
"""

from __future__ import annotations

from collections.abc import Sequence
from pkgutil import resolve_name
from typing import Any, Final, TypedDict

from freeloc._validation import CountOrZero, Fraction, check_keywords, check_value

__all__ = ["OverlayOptions", "SaveOptions", "check_options", "check_save_options", "presentation"]


class OverlayOptions(TypedDict, total=False):
    """Options of the overlay of a result.

    Attributes:
        classes: the classes to draw, in this order; default: the present classes, most probable first.
        threshold: one threshold for all classes; default: the model's threshold for each class.
        peaks: maximum number of peaks per class; default: 0.
        boxes: maximum number of boxes per class; default: 0.
    """

    classes: Sequence[str] | None
    threshold: float | None
    peaks: int
    boxes: int


class SaveOptions(OverlayOptions, total=False):
    """Options of what is written of a result: those of the overlay, and more about its record.

    Attributes:
        masks: whether the record contains the pixels of each present class; default: False. It requires
            ``pip install 'freeloc[masks]'``.
    """

    masks: bool


_HINTS: Final[dict[str, Any]] = {
    "classes": Sequence[str] | None,
    "threshold": Fraction | None,
    "peaks": CountOrZero,
    "boxes": CountOrZero,
}

_LOCATIONS: Final = {
    "record": "freeloc.writers.single_result:result_record",
    "save": "freeloc.writers.single_result:save_result",
    "overlay": "freeloc.visualization.result_overlay:result_overlay",
    "pandas": "freeloc.writers.data_frame:to_pandas",
    "supervision": "freeloc.writers.supervision_detections:supervision_detections",
    "html": "freeloc.visualization.notebook:result_html",
}
"""The functions, each as ``"package.module:function"``."""


def check_save_options(options: SaveOptions) -> dict[str, Any]:
    """Check the options of what is written of a result, and fill in the defaults.

    Raises:
        ConfigurationError: an option is unknown, has the wrong type or is out of range.
    """
    check_keywords("a saved result", options, (*_HINTS, "masks"))
    masks = check_value("masks", options.get("masks", False), bool)
    drawn = {name: value for name, value in options.items() if name != "masks"}
    return {**check_options(drawn), "masks": masks}  # type: ignore[arg-type]


def check_options(options: OverlayOptions) -> dict[str, Any]:
    """Check the options of an overlay, and fill in the defaults.

    Raises:
        ConfigurationError: an option is unknown, has the wrong type or is out of range.
    """
    check_keywords("an overlay", options, _HINTS)
    given: dict[str, Any] = {"classes": None, "threshold": None, "peaks": 0, "boxes": 0, **options}
    return {name: check_value(name, value, _HINTS[name]) for name, value in given.items()}


def presentation(name: str) -> Any:
    """Return the function that presents a result in one of these ways, such as "record"."""
    return resolve_name(_LOCATIONS[name])
