"""What an exported file says about itself: classes, thresholds, scales and origin."""

from __future__ import annotations

import json

from freeloc.inference.decision import DecisionRule
from freeloc.inference.network_loader import ModelSource
from freeloc.inference.options import LocalizerOptions
from freeloc.inference.presets import ScalePlan
from freeloc.io.versions import package_version

__all__ = ["describe"]


def describe(
    source: ModelSource, decision: DecisionRule, plan: ScalePlan, options: LocalizerOptions
) -> dict[str, str]:
    """Return the metadata of an exported model; the values of all keys but ``freeloc`` are JSON.

    Args:
        source: the model.
        decision: its calibration and thresholds.
        plan: the scales of the exported model.
        options: what was chosen for the export.

    Returns:
        ``freeloc``, the version that wrote the file; ``model``, the model's name, version and hash; ``classes``,
        the K class names; ``thresholds``, the K minimum probabilities of present classes; ``scales``; ``preset``,
        null if scales were chosen otherwise; and ``location``.
    """
    classes = source.header.classes
    values = {
        "model": source.identity.to_dict(),
        "classes": list(classes),
        "thresholds": decision.thresholds(len(classes)).tolist(),
        "scales": list(plan.scales),
        "preset": options.preset,
        "location": options.location,
    }
    texts = {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}
    return {"freeloc": package_version("freeloc"), **texts}
