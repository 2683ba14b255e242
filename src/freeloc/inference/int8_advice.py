"""How to get an int8 network, for messages."""

from __future__ import annotations

from typing import Final

__all__ = ["HOW_TO_CREATE_INT8", "HOW_TO_GET_INT8"]

HOW_TO_CREATE_INT8: Final = "with freeloc quantize (in Python, freeloc.quantize)"
"""How a model's int8 network is created."""

HOW_TO_GET_INT8: Final = (
    "freeloc quantize MODEL IMAGES adds one to the model, and freeloc train --int8 to a new one; both require "
    "pip install 'freeloc[int8]'"
)
"""How a model without an int8 network gets one."""
