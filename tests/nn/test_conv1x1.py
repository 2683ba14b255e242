"""The layer on maps and on lists of cells, compared with plain matrix products."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.nn.conv1x1 import Conv1x1
from tests.gradients import gradient_of

law = settings(max_examples=40)


def layer(inputs: int, outputs: int, ceiling: float | None, seed: int) -> Conv1x1:
    torch.manual_seed(seed)
    made = Conv1x1(inputs, outputs, ceiling)
    torch.nn.init.normal_(made.bias)
    return made


@law
@given(
    *(st.integers(1, 12), st.integers(1, 12), st.integers(1, 30)),
    st.sampled_from((None, 6.0, 0.5, float("inf"))),
    st.integers(0, 999),
)
def test_equals_a_clamped_matrix_product(
    inputs: int, outputs: int, cells: int, ceiling: float | None, seed: int
) -> None:
    made = layer(inputs, outputs, ceiling, seed)
    features = torch.randn(cells, inputs) * 3
    weight, bias = made.weight.detach().double().numpy(), made.bias.detach().double().numpy()
    wanted = features.double().numpy() @ weight.T + bias
    if ceiling is not None:
        wanted = np.clip(wanted, 0, ceiling)
    np.testing.assert_allclose(made(features).detach().numpy(), wanted, atol=1e-4)


@law
@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(0, 999))
def test_maps_and_lists_of_cells_give_the_same(images: int, rows: int, cols: int, seed: int) -> None:
    made = layer(7, 5, 6.0, seed)
    maps = torch.randn(images, 7, rows, cols)
    cells = maps.permute(0, 2, 3, 1).reshape(-1, 7)
    from_maps = made(maps)
    assert from_maps.shape == (images, 5, rows, cols)
    np.testing.assert_allclose(
        from_maps.permute(0, 2, 3, 1).reshape(-1, 5).detach().numpy(), made(cells).detach().numpy(), atol=1e-5
    )


@pytest.mark.parametrize("ceiling", [None, float("inf")])
def test_starting_weights_keep_the_spread_of_values(ceiling: float | None) -> None:
    # He initialization: the mean square of the next layer's input equals that of this layer's input.
    torch.manual_seed(0)
    made = Conv1x1(400, 400, ceiling)
    values = made(torch.randn(500, 400))
    assert float((values.detach() ** 2).mean()) == pytest.approx(1, rel=0.1)
    assert (made.bias == 0).all()


def test_both_forms_give_the_weights_the_same_gradient() -> None:
    made = layer(6, 4, float("inf"), 3)
    maps = torch.randn(2, 6, 3, 5)
    gradients = []
    for features in (maps, maps.permute(0, 2, 3, 1).reshape(-1, 6)):
        made.zero_grad()
        made(features).square().sum().backward()
        gradients.append((gradient_of(made.weight).clone(), gradient_of(made.bias).clone()))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-4)
