"""The head, compared with matrix products in NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings

law = settings(max_examples=40)
seeds = st.integers(0, 9999)


def head(hidden: int = 16, classes: int = 4, width: int = 8, **dropout: float) -> AdaptationHead:
    """A head with weights large enough that its scores differ visibly."""
    torch.manual_seed(7)
    made = AdaptationHead(HeadSettings(width, classes, hidden, **dropout))
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return made


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class TestHead:
    @law
    @given(st.sampled_from((0, 1, 16)), seeds, st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))
    def test_equals_plain_matrix_products(
        self, hidden: int, seed: int, images: int, rows: int, cols: int
    ) -> None:
        made = head(hidden)
        maps = torch.randn(images, 8, rows, cols, generator=generator(seed))
        wanted = maps.permute(0, 2, 3, 1).double().numpy()
        weights = {key: value.double().numpy() for key, value in made.state_dict().items()}
        if hidden:
            wanted = np.maximum(wanted @ weights["fca.weight"].T + weights["fca.bias"], 0)
        wanted = wanted @ weights["fcb.weight"].T + weights["fcb.bias"]
        scores = made(maps).detach()
        assert scores.shape == (images, 4, rows, cols)
        np.testing.assert_allclose(scores.permute(0, 2, 3, 1).numpy(), wanted, atol=1e-4)

    @law
    @given(st.sampled_from((0, 16)), seeds, st.integers(1, 6), st.integers(1, 6))
    def test_maps_and_lists_of_cells_give_the_same(
        self, hidden: int, seed: int, rows: int, cols: int
    ) -> None:
        made = head(hidden)
        maps = torch.randn(2, 8, rows, cols, generator=generator(seed))
        cells = maps.permute(0, 2, 3, 1).reshape(-1, 8)
        scores = made(maps).permute(0, 2, 3, 1).reshape(-1, 4)
        torch.testing.assert_close(made(cells), scores, rtol=1e-4, atol=1e-5)

    def test_shape_of_the_paper(self) -> None:
        made = AdaptationHead(HeadSettings(1280, 20))
        shapes = {key: tuple(value.shape) for key, value in made.state_dict().items()}
        assert shapes == {
            "fca.weight": (2048, 1280),
            "fca.bias": (2048,),
            "fcb.weight": (20, 2048),
            "fcb.bias": (20,),
        }

    def test_scores_start_near_zero(self) -> None:
        torch.manual_seed(0)
        made = AdaptationHead(HeadSettings(1280, 20))
        scores = made(torch.randn(50, 1280).relu()).detach()
        assert 0.01 < float(scores.abs().max()) < 2


class TestStandardization:
    @staticmethod
    def standardized(hidden: int) -> AdaptationHead:
        torch.manual_seed(hidden)
        made = AdaptationHead(HeadSettings(8, 4, hidden), standardized=True)
        for parameter in made.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        return made

    @pytest.mark.parametrize("hidden", [0, 16])
    def test_starts_as_no_change(self, hidden: int) -> None:
        made, features = self.standardized(hidden), torch.randn(30, 8)
        plain = AdaptationHead(HeadSettings(8, 4, hidden))
        plain.load_state_dict(
            {key: value for key, value in made.state_dict().items() if key[:3] in {"fca", "fcb"}}
        )
        assert torch.equal(made(features), plain(features))

    @pytest.mark.parametrize("hidden", [0, 16])
    def test_features_are_shifted_and_scaled_one_by_one(self, hidden: int) -> None:
        made, features = self.standardized(hidden), torch.randn(30, 8)
        mean, gain = torch.randn(8), 0.1 + torch.rand(8)
        wanted = made((features - mean) * gain).detach()
        made.set_standardization(mean, gain)
        torch.testing.assert_close(made(features), wanted, rtol=0, atol=1e-6)
        # All cells of a map are equal.
        maps = features.T.reshape(1, 8, 5, 6)
        torch.testing.assert_close(made(maps)[0].reshape(4, 30).T, wanted, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("hidden", [0, 16])
    def test_folded_is_the_same_function_in_two_plain_layers(self, hidden: int) -> None:
        made, features = self.standardized(hidden), 3 + torch.randn(30, 8)
        made.set_standardization(3 + torch.randn(8), 0.1 + torch.rand(8))
        before = made(features).detach().clone()
        folded = made.folded()
        torch.testing.assert_close(folded(features), before, rtol=1e-4, atol=1e-4)
        assert not folded.standardized
        assert set(folded.state_dict()) == {key for key, _ in made.named_parameters()}
        assert folded.settings == made.settings
        # An independent head: changing it does not affect the first.
        with torch.no_grad():
            folded.fcb.weight.zero_()
        assert torch.equal(made(features), before)


class TestDropout:
    def test_without_a_die_nothing_is_dropped_in_any_mode(self) -> None:
        made = head(feature_dropout=0.5, hidden_dropout=0.5)
        features = torch.randn(30, 8)
        wanted = head()(features)
        for mode in (made.train(), made.eval()):
            torch.testing.assert_close(mode(features), wanted, rtol=0, atol=0)

    @pytest.mark.parametrize("dropout", [{"feature_dropout": 0.5}, {"hidden_dropout": 0.5}])
    def test_a_die_drops_and_the_same_die_drops_the_same(self, dropout: dict[str, float]) -> None:
        made = head(
            hidden_dropout=dropout.get("hidden_dropout", 0), feature_dropout=dropout.get("feature_dropout", 0)
        )
        features = torch.randn(30, 8)
        first, again, other = (made(features, generator(seed)) for seed in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
        assert not torch.equal(first, made(features))

    def test_no_probability_no_dropout(self) -> None:
        made = head(feature_dropout=0, hidden_dropout=0)
        features = torch.randn(30, 8)
        assert torch.equal(made(features, generator(1)), made(features))

    @pytest.mark.parametrize("probability", [0.2, 0.5, 0.8])
    @pytest.mark.parametrize("place", ["feature", "hidden"])
    def test_mask_keeps_the_right_share_and_the_mean(self, place: str, probability: float) -> None:
        # An identity head reveals the mask: kept values are scaled to 1 / (1 − p), the others are zero.
        chosen = {f"{other}_dropout": probability * (other == place) for other in ("feature", "hidden")}
        made = AdaptationHead(HeadSettings(width=16, classes=16, hidden=16, **chosen))
        assert made.fca is not None
        with torch.no_grad():
            for layer in (made.fca, made.fcb):
                layer.weight.copy_(torch.eye(16))
        values = made(torch.ones(2000, 16), generator(3)).detach()
        assert values.unique().tolist() == pytest.approx([0, 1 / (1 - probability)])
        # 32,000 draws: five standard deviations of a binomial fraction.
        slack = 5 * math.sqrt(probability * (1 - probability) / values.numel())
        assert float((values == 0).float().mean()) == pytest.approx(probability, abs=slack)
        assert float(values.mean()) == pytest.approx(1, abs=slack / (1 - probability))

    def test_maps_are_dropped_cell_by_cell(self) -> None:
        made = head(hidden=0, feature_dropout=0.5)
        scores = made(torch.ones(1, 8, 6, 6), generator(0))
        assert len(scores[0, 0].unique()) > 6
