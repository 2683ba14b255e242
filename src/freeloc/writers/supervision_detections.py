"""Boxes of a result as values of the package supervision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from freeloc.errors import MissingDependencyError
from freeloc.inference.result import Localization
from freeloc.writers.box_masks import mask_in_box

if TYPE_CHECKING:
    from supervision import Detections

__all__ = ["supervision_detections"]


def supervision_detections(
    result: Localization, *, threshold: float | None, boxes: int, masks: bool
) -> Detections:
    """Return the boxes of present classes; see `freeloc.inference.result.Localization.to_supervision`.

    Raises:
        MissingDependencyError: supervision is not installed.
    """
    try:
        import supervision as sv
    except ImportError as error:
        raise MissingDependencyError(
            "to_supervision requires supervision, which is not installed: run pip install supervision"
        ) from error
    names = [location.name for location in result.present(threshold)]
    found = [(name, box) for name in names for box in result.boxes(name, count=boxes)]
    corners = [(box.x1, box.y1, box.x2, box.y2) for _, box in found]
    pixels = None
    if masks:
        by_class = {name: result.mask(name) for name in names}
        pixels = np.array(
            [mask_in_box(by_class[name], edges) for (name, _), edges in zip(found, corners, strict=True)],
            dtype=np.bool_,
        ).reshape(-1, result.image_size.height, result.image_size.width)
    return sv.Detections(
        xyxy=np.array(corners, dtype=np.float32).reshape(-1, 4),
        mask=pixels,
        confidence=np.array([box.score for _, box in found], dtype=np.float32),
        class_id=np.array([result.classes.index(name) for name, _ in found], dtype=np.intp),
        data={"class_name": np.array([name for name, _ in found], dtype=np.str_)},
    )
