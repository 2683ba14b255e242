"""Images in torch tensors: channels first, values between 0 and 1; anything unclear is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from freeloc.errors import ConfigurationError, ImageError
from freeloc.images.decode import is_image_list, load_image

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
TENSOR = torch.from_numpy(PIXELS).permute(2, 0, 1)


@pytest.mark.parametrize(
    "tensor",
    [
        TENSOR,
        TENSOR.contiguous(),
        TENSOR.float() / 255,
        (TENSOR.double() / 255).requires_grad_(),
        torch.cat([TENSOR, torch.full((1, 6, 8), 255, dtype=torch.uint8)]),
    ],
)
def test_channels_come_first(tensor: torch.Tensor) -> None:
    assert np.array_equal(load_image(tensor), PIXELS)


def test_types_that_numpy_lacks() -> None:
    assert np.abs(load_image((TENSOR.float() / 255).bfloat16()).astype(int) - PIXELS).max() <= 1
    assert load_image(torch.ones(1, 6, 8, dtype=torch.bool)).tolist() == np.full((6, 8, 3), 255).tolist()


@pytest.mark.parametrize("shape", [(6, 8), (1, 6, 8)])
def test_gray(shape: tuple[int, ...]) -> None:
    gray = torch.arange(48, dtype=torch.uint8).reshape(shape)
    assert np.array_equal(load_image(gray)[..., 2], np.arange(48).reshape(6, 8))


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (
            torch.zeros(6, 8, 3),
            "its shape is (6, 8, 3), but channels come first in a tensor; call permute(2, 0, 1)",
        ),
        (torch.zeros(3, 8, 3), "its shape is (3, 8, 3), so its channels could be the first axis or the last"),
        (torch.zeros(2, 3, 6, 8), "its shape is (2, 3, 6, 8), so it holds several images"),
        (torch.zeros(5), "its shape is (5,)"),
        (torch.zeros(2, 6, 8), "its shape is (2, 6, 8)"),
        (torch.full((3, 6, 8), 255.0), "its values are between 255 and 255; pass values between 0 and 1"),
        (torch.full((3, 6, 8), -2.1), "its values are between -2.1 and -2.1"),
        (torch.full((3, 6, 8), float("nan")), "its values are between nan and nan"),
        (torch.zeros(3, 6, 8, dtype=torch.int64), "its dtype is int64; convert it to uint8"),
    ],
)
def test_what_is_unclear_is_refused(tensor: torch.Tensor, message: str) -> None:
    with pytest.raises(ImageError, match=re.escape(message)) as caught:
        load_image(tensor)
    assert isinstance(caught.value, ConfigurationError)


def test_a_batch_is_a_list_of_images() -> None:
    assert is_image_list(torch.zeros(2, 3, 6, 8))
    assert not is_image_list(TENSOR)
    assert not is_image_list(torch.tensor(3))
