"""Pictures on terminals: each protocol's data gives the image back."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from freeloc._typing import Uint8Array
from freeloc.visualization.terminal_picture import encode_picture


@pytest.fixture(scope="module")
def image() -> Image.Image:
    rows, cols = np.mgrid[:50, :70]
    pixels = np.stack([rows * 5, cols * 3, (rows * cols) % 256], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def test_kitty(image: Image.Image) -> None:
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (50, 70, 3), np.uint8))
    for each, several in ((Image.new("RGB", (9, 9)), False), (noise, True)):
        text = encode_picture(each, "kitty")
        parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
        assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in parts) == text
        assert (len(parts) > 1) == several
        assert all(len(data) <= 4096 for _, data in parts)
        assert [keys.rsplit("m=", 1)[1] for keys, _ in parts] == ["1"] * (len(parts) - 1) + ["0"]
        assert parts[0][0].startswith("a=T,f=100,q=2,")
        with Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in parts)))) as shown:
            assert shown.tobytes() == each.tobytes()


def test_iterm2(image: Image.Image) -> None:
    text = encode_picture(image, "iterm2")
    found = re.fullmatch(r"\x1b\]1337;File=inline=1;size=(\d+):([A-Za-z0-9+/=]*)\x07", text)
    assert found
    data = base64.b64decode(found[2])
    assert len(data) == int(found[1])
    with Image.open(io.BytesIO(data)) as shown:
        assert shown.tobytes() == image.tobytes()


def decode_sixel(text: str) -> Uint8Array:
    """Return the pixels of a sixel image, in percent."""
    body = re.fullmatch(r"\x1bPq(.*)\x1b\\", text, re.DOTALL)
    assert body
    colors: dict[int, tuple[int, ...]] = {}
    pixels = np.full((300, 300, 3), 255, np.uint8)
    x = y = color = 0
    for register, definition, count, char in re.findall(
        r"#(\d+)(;2;\d+;\d+;\d+)?|(?:!(\d+))?([?-~]|[$-])", body[1]
    ):
        if definition:
            colors[int(register)] = tuple(map(int, definition.split(";")[2:]))
        elif register:
            color = int(register)
        elif char == "$":
            x = 0
        elif char == "-":
            x, y = 0, y + 6
        else:
            for column in range(x, x + int(count or 1)):
                for bit in range(6):
                    if (ord(char) - 63) >> bit & 1:
                        pixels[y + bit, column] = colors[color]
            x += int(count or 1)
    return pixels


def test_sixel(image: Image.Image) -> None:
    shown = decode_sixel(encode_picture(image, "sixel"))
    wanted = np.asarray(image).astype(float) / 2.55
    assert np.abs(shown[:50, :70] - wanted).mean() < 5
    assert (shown[54:] == 255).all()
    assert (shown[:, 70:] == 255).all()
