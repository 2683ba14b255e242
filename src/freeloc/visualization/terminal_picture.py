"""Encode images as control sequences that a terminal shows as pictures."""

from __future__ import annotations

import base64
import io
from typing import Final

from PIL import Image

from freeloc.io.terminal_graphics import GraphicsProtocol

__all__ = ["encode_picture"]

_CHUNK: Final = 4096
"""Maximum length of the data in one control sequence of kitty's protocol."""

_SIXEL_COLORS: Final = 256
"""Number of colors that terminals with sixel images support."""


def encode_picture(image: Image.Image, protocol: GraphicsProtocol) -> str:
    """Return an RGB image as text that shows it on a terminal, from the cursor on and in its own size."""
    if protocol == "sixel":
        return _encode_sixel(image)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    if protocol == "iterm2":
        return f"\x1b]1337;File=inline=1;size={len(buffer.getvalue())}:{data}\x07"
    chunks = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    # a=T: show the image; f=100: PNG; q=2: do not answer; m=1: more chunks follow.
    keys = ["a=T,f=100,q=2,m=1", *["m=1"] * (len(chunks) - 1)]
    keys[-1] = keys[-1].replace("m=1", "m=0")
    return "".join(f"\x1b_G{key};{chunk}\x1b\\" for key, chunk in zip(keys, chunks, strict=True))


def _encode_sixel(image: Image.Image) -> str:
    from timg import SixelMethod

    # The encoder leaves out rows that do not fill a band of six.
    padded = Image.new("RGB", (image.width, -(-image.height // 6) * 6))
    padded.paste(image)
    colors = padded.quantize(_SIXEL_COLORS, method=Image.Quantize.MEDIANCUT)
    return str(SixelMethod(colors).to_string())
