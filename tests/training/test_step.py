"""One training step: the sparse gradient compared with dense ones, computed without freeloc's pooling."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from freeloc.nn.conv1x1 import Conv1x1
from freeloc.nn.head import AdaptationHead
from freeloc.nn.head_settings import HeadSettings
from freeloc.nn.pooling.log_sum_exp import SHARPNESS
from freeloc.nn.pooling.max import MaxPooling
from freeloc.nn.pooling.registry import get_pooling
from freeloc.nn.pooling.top_k import LOWEST_WEIGHT, selected_count
from freeloc.training import step as steps
from freeloc.training.recipe import Recipe
from freeloc.training.step import HeadTrainStep
from tests.gradients import gradient_of

pytestmark = pytest.mark.usefixtures("one_thread")

law = settings(max_examples=12)
CPU = torch.device("cpu")
CHANNELS, WIDTH, CLASSES = 6, 10, 5


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def textbook(scores: Tensor, order: Tensor, pool: str) -> Tensor:
    """Return the (K,) pooled scores of one image's (M, K) scores; ``order`` sorts its cells, lowest first."""
    if pool == "mean":
        return scores.mean(dim=0)
    if pool == "lse":
        top = scores.amax(dim=0).detach()
        return top + torch.log(torch.exp(SHARPNESS * (scores - top)).mean(dim=0)) / SHARPNESS
    if pool == "topk":
        count = selected_count(len(scores))
        highest = scores.gather(0, order[-count:]).mean(dim=0)
        return highest + LOWEST_WEIGHT * scores.gather(0, order[:count]).mean(dim=0)
    return scores.gather(0, order[-1:])[0]


@dataclass
class Scene:
    """Cells of some images, their labels, a frozen projection and a head."""

    cells: list[np.ndarray]
    labels: Tensor
    projection: nn.Module
    head: AdaptationHead

    @classmethod
    def random(cls, seed: int, hidden: int = 12, **dropout: float) -> Scene:
        rng = np.random.default_rng(seed)
        cells = [rng.normal(0, 1, (rng.integers(1, 30), CHANNELS)).astype(np.float16) for _ in range(4)]
        # In the last image, one cell has very high scores, so classes share it.
        cells[-1][0] *= 8
        labels = torch.from_numpy(rng.integers(-1, 2, (4, CLASSES)).astype(np.int8))
        torch.manual_seed(seed)
        projection = Conv1x1(CHANNELS, WIDTH, ceiling=6.0).requires_grad_(False)
        settings_ = HeadSettings(WIDTH, CLASSES, hidden, **({"hidden_dropout": 0.0} | dropout))
        head = AdaptationHead(settings_, standardized=bool(seed % 2))
        for parameter in head.parameters():
            nn.init.normal_(parameter, std=0.5)
        if head.standardized:
            head.set_standardization(torch.rand(WIDTH), 0.5 + torch.rand(WIDTH))
        return cls(cells, labels, projection, head)

    def step(self, *, use_bfloat16: bool = False, **recipe: Any) -> HeadTrainStep:
        return HeadTrainStep(
            *(self.projection, self.head, Recipe(**({"cell_fraction": 1.0} | recipe))),
            use_bfloat16=use_bfloat16,
            device=CPU,
        )

    def gradients(
        self, seed: int = 0, *, use_bfloat16: bool = False, **recipe: Any
    ) -> tuple[float, dict[str, Tensor]]:
        """Compute loss and gradients with freeloc's step."""
        self.head.zero_grad()
        loss = self.step(use_bfloat16=use_bfloat16, **recipe).loss(self.cells, self.labels, generator(seed))
        loss.backward()
        found = {key: gradient_of(value).clone() for key, value in self.head.named_parameters()}
        return float(loss.detach()), found

    def stable_units(self) -> Tensor:
        """Return (hidden,) flags of FCa units that stay on one side of the ReLU in bfloat16, for all cells."""
        if self.head.fca is None:
            return torch.ones(0, dtype=torch.bool)
        with torch.no_grad():
            hidden: Tensor = self.projection(torch.from_numpy(np.concatenate(self.cells)).float())
            if self.head.standardized:
                hidden = (hidden - self.head.get_buffer("mean")) * self.head.get_buffer("gain")
            weight = self.head.fca.weight.detach()
            inputs = hidden @ weight.T + self.head.fca.bias
            # Errors of sums of rounded products grow with the products, not with the sum.
            magnitude = hidden.abs() @ weight.abs().T + self.head.fca.bias.abs()
        return (inputs.abs() > 2**-6 * magnitude).all(dim=0)

    def by_hand(
        self, masks: list[Tensor] | None = None, pool: str = "max"
    ) -> tuple[float, dict[str, Tensor]]:
        """Compute reference loss and gradients in float64, on all cells of one image after another.

        With dropout masks, cells are still selected by the scores without dropout.
        """
        head, projection = copy.deepcopy(self.head).double(), copy.deepcopy(self.projection).double()
        head.zero_grad()
        total, start = torch.zeros((), dtype=torch.float64), 0
        for part, signs in zip(self.cells, self.labels, strict=True):
            features = projection(torch.from_numpy(part).double())
            if head.standardized:
                features = (features - head.get_buffer("mean")) * head.get_buffer("gain")

            def scored(features: Tensor, rows: slice, masks: list[Tensor] | None) -> Tensor:
                values = features if masks is None else features * masks[0][rows]
                if head.fca is not None:
                    values = functional.relu(values @ head.fca.weight.T + head.fca.bias)
                    values = values if masks is None else values * masks[1][rows]
                scores: Tensor = values @ head.fcb.weight.T + head.fcb.bias
                return scores

            rows = slice(start, start + len(part))
            if pool == "full":
                (pooled,) = scored(features.mean(dim=0, keepdim=True), rows, masks)
            else:
                order = scored(features, rows, None).argsort(dim=0)
                pooled = textbook(scored(features, rows, masks), order, pool)
            for score, sign in zip(pooled, signs.tolist(), strict=True):
                if sign:
                    total = total + torch.log1p(torch.exp(-sign * score))
            start += len(part)
        loss = total / len(self.cells)
        loss.backward()
        return float(loss.detach()), {key: gradient_of(value) for key, value in head.named_parameters()}

    def choice_is_clear(self, count: int | None = None) -> bool:
        """Return whether scores in float32 and float64 have the same highest and lowest cells in every class.

        Some cells have equal scores, for example where the projection is 0 everywhere, but different dropout masks.

        Args:
            count: number of cells at each end; by default as many as top-k pooling selects.
        """
        head, projection = copy.deepcopy(self.head).double(), copy.deepcopy(self.projection).double()
        for part in self.cells:
            scores = head(projection(torch.from_numpy(part).double())).detach().sort(dim=0).values
            gaps = scores.diff(dim=0)
            selected = count or selected_count(len(part))
            if any(
                float(gaps[end].min()) < 1e-5 for end in (selected - 1, -selected) if len(gaps) >= selected
            ):
                return False
        return True

    def extremes(self) -> Tensor:
        """Return the (R, K) positions of the highest and lowest cells, from scores in float64."""
        head, projection = copy.deepcopy(self.head).double(), copy.deepcopy(self.projection).double()
        found, start = [], 0
        for part in self.cells:
            order = head(projection(torch.from_numpy(part).double())).detach().argsort(dim=0) + start
            found += [order[: selected_count(len(part))], order[-selected_count(len(part)) :]]
            start += len(part)
        return torch.cat(found)

    def winners(self) -> Tensor:
        """Return (N, K) positions in the list of all cells, from scores in float64."""
        head, projection = copy.deepcopy(self.head).double(), copy.deepcopy(self.projection).double()
        found, start = [], 0
        for part in self.cells:
            scores = head(projection(torch.from_numpy(part).double()))
            found.append(
                [start + max(range(len(part)), key=scores[:, k].tolist().__getitem__) for k in range(CLASSES)]
            )
            start += len(part)
        return torch.tensor(found)


def assert_same(found: tuple[float, dict[str, Tensor]], wanted: tuple[float, dict[str, Tensor]]) -> None:
    assert found[0] == pytest.approx(wanted[0], rel=1e-5)
    assert found[1].keys() == wanted[1].keys()
    for key, gradient in found[1].items():
        scale = float(wanted[1][key].abs().max())
        torch.testing.assert_close(
            gradient.double(), wanted[1][key].double(), rtol=1e-4, atol=1e-5 * max(scale, 1e-3), msg=key
        )


class TestSparseGradient:
    @law
    @given(st.integers(0, 9999), st.sampled_from((0, 12)))
    def test_equals_the_dense_gradient(self, seed: int, hidden: int) -> None:
        scene = Scene.random(seed, hidden)
        sparse, dense = scene.gradients(gradient="sparse"), scene.gradients(gradient="dense")
        assert_same(sparse, dense)
        assert_same(sparse, scene.by_hand())

    @law
    @given(st.integers(0, 9999), st.floats(0, 0.9), st.floats(0, 0.9))
    def test_equals_the_dense_gradient_with_the_same_dropout_mask(
        self, seed: int, features: float, hidden: float
    ) -> None:
        scene = Scene.random(seed, feature_dropout=features, hidden_dropout=hidden)
        assume(scene.choice_is_clear(1))
        sparse = scene.gradients(seed=5)
        # freeloc applies dropout only to the rows of selected cells. The draws are repeated here and placed
        # at these cells among masks for all cells; the other rows must have no effect.
        chosen = scene.winners().unique()
        draws, other = generator(5), generator(6)
        masks = []
        for probability, width in ((features, WIDTH), (hidden, 12)):
            mask = torch.rand(sum(map(len, scene.cells)), width, generator=other)
            if probability:
                mask[chosen] = torch.rand(len(chosen), width, generator=draws)
            masks.append((mask >= probability).double() / (1 - probability))
        assert_same(sparse, scene.by_hand(masks))

    @pytest.mark.parametrize("fraction", [0.1, 0.5])
    def test_equals_the_dense_gradient_on_the_same_share_of_cells(self, fraction: float) -> None:
        scene = Scene.random(6)
        sparse = scene.gradients(gradient="sparse", cell_fraction=fraction)
        assert_same(sparse, scene.gradients(gradient="dense", cell_fraction=fraction))
        assert sparse[0] != scene.gradients()[0]

    @law
    @given(st.integers(0, 9999), st.sampled_from((0, 12)))
    def test_at_low_precision_it_is_nearly_the_same(self, seed: int, hidden: int) -> None:
        # With one cell per image, the selection does not depend on precision.
        scene = Scene.random(seed, hidden)
        scene.cells = [part[:1] for part in scene.cells]
        loss, gradients = scene.gradients(use_bfloat16=True)
        wanted_loss, wanted = scene.by_hand()
        assert loss == pytest.approx(wanted_loss, rel=0.05, abs=0.05)
        stable = scene.stable_units()
        for key, gradient in wanted.items():
            assert gradients[key].dtype == torch.float32
            units = stable if key.startswith("fca.") else slice(None)
            # Each of three layers rounds to eight bits in the forward and backward pass.
            error = float((gradients[key].double() - gradient)[units].norm())
            assert error <= 0.05 * float(gradient.norm()) + 1e-3, key

    def test_ignored_classes_get_no_gradient(self) -> None:
        scene = Scene.random(3)
        scene.labels[:, 2] = 0
        scene.labels[:, 1] = 1
        _loss, gradients = scene.gradients()
        assert (gradients["fcb.weight"][2] == 0).all()
        assert gradients["fcb.bias"][2] == 0
        assert (gradients["fcb.weight"][1] != 0).any()

    def test_nothing_but_the_winners_counts(self) -> None:
        scene = Scene.random(4, hidden=0)
        before = scene.gradients()
        won = set(scene.winners().unique().tolist())
        start = 0
        for part in scene.cells:
            keep = [index for index in range(len(part)) if start + index in won]
            start += len(part)
            part[[index for index in range(len(part)) if index not in keep]] = part[keep[0]]
        assert_same(scene.gradients(), before)

    def test_classes_share_cells_here(self) -> None:
        # Otherwise, the tests above would not detect errors in gathering.
        assert any(len(set(row)) < CLASSES for row in Scene.random(0).winners().tolist())


def winners_of(step: HeadTrainStep, features: Tensor, counts: list[int]) -> Tensor:
    """Return the (N, K) positions of the cells that max-pooling selects."""
    return torch.cat(MaxPooling().select_cells(step.score_cells(features), counts))


class TestSearch:
    @law
    @given(st.integers(0, 9999), st.sampled_from((0, 12)))
    def test_winners_are_the_highest_cells(self, seed: int, hidden: int) -> None:
        scene = Scene.random(seed, hidden)
        assume(scene.choice_is_clear(1))
        features = torch.from_numpy(np.concatenate(scene.cells))
        winners = winners_of(scene.step(), features, [len(part) for part in scene.cells])
        assert torch.equal(winners, scene.winners())

    @law
    @given(st.integers(0, 9999))
    def test_at_low_precision_they_are_nearly_the_highest(self, seed: int) -> None:
        scene = Scene.random(seed)
        features = torch.from_numpy(np.concatenate(scene.cells))
        scores = scene.head(scene.projection(features.float())).detach()
        counts = [len(part) for part in scene.cells]
        winners = winners_of(scene.step(use_bfloat16=True), features, counts)
        highest = scores.gather(0, scene.winners())
        # Three layers of eight-bit mantissas.
        slack = 0.05 * float(scores.abs().max())
        assert (scores.gather(0, winners) >= highest - slack).all()
        for row, begin, count in zip(winners, np.cumsum([0, *counts]), counts, strict=False):
            assert ((row >= begin) & (row < begin + count)).all()

    @pytest.mark.parametrize("cells", [1, 2, 639, 640, 641, 1281])
    def test_parts_of_the_search_are_put_together(self, cells: int) -> None:
        scene = Scene.random(1)
        features = torch.randn(cells, CHANNELS)
        scores = scene.head(scene.projection(features)).detach()
        winners = winners_of(scene.step(), features, [cells])
        assert torch.equal(winners[0], scores.argmax(dim=0))

    def test_no_gradient_and_no_dropout(self) -> None:
        scene = Scene.random(1, hidden_dropout=0.5, feature_dropout=0.5)
        step = scene.step()
        assert torch.equal(step.pooled_scores(scene.cells), step.pooled_scores(scene.cells))
        assert not step.pooled_scores(scene.cells).requires_grad

    @law
    @given(st.integers(0, 9999))
    def test_pooled_scores_are_each_images_highest(self, seed: int) -> None:
        scene = Scene.random(seed)
        pooled = scene.step().pooled_scores(scene.cells)
        for part, row in zip(scene.cells, pooled, strict=True):
            scores = scene.head(scene.projection(torch.from_numpy(part).float()))
            torch.testing.assert_close(row, scores.detach().max(dim=0).values, rtol=1e-4, atol=1e-5)

    def test_features_are_not_changed(self) -> None:
        scene = Scene.random(2)
        before = [part.copy() for part in scene.cells]
        scene.gradients()
        for part, kept in zip(scene.cells, before, strict=True):
            np.testing.assert_array_equal(part, kept)


class TestShareOfCells:
    """Cell i of an image has the value i and the head is the identity, so the score is the highest used index."""

    @staticmethod
    def highest_seen(counts: list[int], fraction: float, draws: torch.Generator) -> list[float]:
        head = AdaptationHead(HeadSettings(1, 1, hidden=0))
        with torch.no_grad():
            head.fcb.weight.fill_(1)
        recipe = Recipe(cell_fraction=fraction, hidden_dropout=0.0)
        step = HeadTrainStep(nn.Identity(), head, recipe, use_bfloat16=False, device=CPU)
        cells = [np.arange(count, dtype=np.float16)[:, None] for count in counts]
        found = []
        for index in range(len(counts)):
            # With one label known, N times the loss is that image's: log(1 + e^score) for an absent class.
            labels = torch.zeros(len(counts), 1, dtype=torch.int8)
            labels[index] = -1
            state = draws.get_state()
            loss = float(step.loss(cells, labels, draws).detach()) * len(counts)
            if index < len(counts) - 1:
                draws.set_state(state)
            found.append(loss + math.log(-math.expm1(-loss)))
        return found

    def test_all_by_default_of_the_paper(self) -> None:
        assert self.highest_seen([7, 1, 12], 1.0, generator(0)) == pytest.approx([6, 0, 11], abs=1e-3)

    @pytest.mark.parametrize(("fraction", "kept"), [(0.5, 5), (0.3, 3), (0.01, 1), (0.91, 10)])
    def test_every_cell_is_as_likely(self, fraction: float, kept: int) -> None:
        draws = generator(1)
        seen = np.array([self.highest_seen([10], fraction, draws) for _ in range(300)])[:, 0]
        # With this many of 10 cells used, the highest index is at least this number minus one …
        assert seen.min() > kept - 1 - 1e-3
        # … and the last cell is among them in the expected fraction of draws, within five standard
        # deviations.
        share = kept / 10
        slack = 5 * math.sqrt(share * (1 - share) / 300)
        assert float((seen > 8.5).mean()) == pytest.approx(share, abs=slack + 1e-9)

    def test_images_are_drawn_for_one_by_one(self) -> None:
        pairs = [self.highest_seen([40, 40], 0.1, draws) for draws in map(generator, range(20))]
        assert sum(abs(first - second) > 0.5 for first, second in pairs) > 5

    def test_an_equal_generator_draws_the_same(self) -> None:
        assert self.highest_seen([30], 0.1, generator(3)) == self.highest_seen([30], 0.1, generator(3))

    @law
    @given(st.integers(0, 9999), st.floats(0.05, 1))
    def test_choosing_before_and_after_the_copy_is_the_same(self, seed: int, fraction: float) -> None:
        scene = Scene.random(seed)
        step, draws = scene.step(cell_fraction=fraction), generator(seed)
        drawn = [step.draw_cells(len(part), draws) for part in scene.cells]
        rows = steps._row_indices(scene.cells, drawn, CPU)
        np.testing.assert_array_equal(
            steps._select_rows(scene.cells, drawn), np.concatenate(scene.cells)[rows.numpy()]
        )


class TestTopk:
    @law
    @given(st.integers(0, 9999), st.sampled_from((0, 12)))
    def test_the_sparse_gradient_equals_the_dense_one(self, seed: int, hidden: int) -> None:
        scene = Scene.random(seed, hidden)
        sparse = scene.gradients(pooling="topk", gradient="sparse")
        assert_same(sparse, scene.gradients(pooling="topk", gradient="dense"))
        assert_same(sparse, scene.by_hand(pool="topk"))

    @law
    @given(st.integers(0, 9999), st.floats(0, 0.9))
    def test_with_dropout_the_cells_are_those_of_the_undropped_network(
        self, seed: int, hidden: float
    ) -> None:
        scene = Scene.random(seed, hidden_dropout=hidden)
        assume(scene.choice_is_clear())
        chosen, cells = scene.extremes().unique(), sum(map(len, scene.cells))
        mask = torch.rand(cells, 12, generator=generator(6))
        if hidden:
            mask[chosen] = torch.rand(len(chosen), 12, generator=generator(5))
        masks = [torch.ones(cells, WIDTH).double(), (mask >= hidden).double() / (1 - hidden)]
        assert_same(scene.gradients(5, pooling="topk"), scene.by_hand(masks, pool="topk"))

    def test_nothing_but_the_highest_and_the_lowest_counts(self) -> None:
        scene = Scene.random(4, hidden=0)
        before = scene.gradients(pooling="topk")
        read = set(scene.extremes().unique().tolist())
        start, changed = 0, 0
        for part in scene.cells:
            rows = [index for index in range(len(part)) if start + index in read]
            start += len(part)
            others = [index for index in range(len(part)) if index not in rows]
            # The mean of the used cells lies between their values in every class.
            part[others] = part[rows].mean(axis=0)
            changed += len(others)
        assert changed
        assert_same(scene.gradients(pooling="topk"), before)

    @pytest.mark.parametrize("fraction", [0.1, 0.5])
    def test_on_the_same_share_of_cells(self, fraction: float) -> None:
        scene = Scene.random(6)
        sparse = scene.gradients(pooling="topk", cell_fraction=fraction)
        assert_same(sparse, scene.gradients(pooling="topk", gradient="dense", cell_fraction=fraction))
        assert sparse[0] != scene.gradients(pooling="topk")[0]


class TestFullImages:
    @law
    @given(st.integers(0, 9999), st.sampled_from((0, 12)))
    def test_the_head_reads_the_mean_of_all_projected_cells(self, seed: int, hidden: int) -> None:
        scene = Scene.random(seed, hidden)
        once: dict[str, Any] = {"pooling": "full", "scales": (1.0,), "test_scales": (1.0,)}
        found = scene.gradients(cell_fraction=0.1, **once)
        assert_same(found, scene.by_hand(pool="full"))
        assert not scene.step(**once).pooled_scores(scene.cells).requires_grad

    def test_one_row_of_dropout_a_image(self) -> None:
        scene = Scene.random(2, hidden_dropout=0.5)
        loss, _ = scene.gradients(9, pooling="full", scales=(1.0,), test_scales=(1.0,))
        mask = (torch.rand(len(scene.cells), 12, generator=generator(9)) >= 0.5).float() * 2
        means = [scene.projection(torch.from_numpy(part).float()).mean(dim=0) for part in scene.cells]
        assert scene.head.fca is not None
        hidden = functional.relu(torch.stack(means) @ scene.head.fca.weight.T + scene.head.fca.bias) * mask
        scores = (hidden @ scene.head.fcb.weight.T + scene.head.fcb.bias).detach()
        losses = torch.log1p(torch.exp(-scene.labels * scores)) * (scene.labels != 0)
        assert loss == pytest.approx(float(losses.sum()) / len(scene.cells), rel=1e-5)


class TestLogSumExp:
    @law
    @given(st.integers(0, 9999), st.sampled_from((0, 12)))
    def test_gradient_of_the_definition(self, seed: int, hidden: int) -> None:
        scene = Scene.random(seed, hidden)
        assert_same(scene.gradients(pooling="lse"), scene.by_hand(pool="lse"))

    def test_of_the_drawn_cells_alone(self) -> None:
        scene = Scene.random(6)
        drawn, seen = scene.step(cell_fraction=0.3), generator(0)
        rows = [drawn.draw_cells(len(part), seen) for part in scene.cells]
        found = scene.gradients(pooling="lse", cell_fraction=0.3)
        scene.cells = [part[row.numpy()] if row is not None else part for part, row in zip(scene.cells, rows)]
        assert_same(found, scene.by_hand(pool="lse"))


@pytest.mark.parametrize(("pooling", "pool"), [("lse", "lse"), ("topk", "topk"), ("average", "mean")])
def test_every_pooling_at_low_precision_is_nearly_the_same(pooling: str, pool: str) -> None:
    # With one cell per image, the selected cells do not depend on precision.
    scene = Scene.random(8)
    scene.cells = [part[:1] for part in scene.cells]
    loss, gradients = scene.gradients(use_bfloat16=True, pooling=pooling)
    wanted_loss, wanted = scene.by_hand(pool=pool)
    assert loss != scene.gradients(pooling=pooling)[0]
    assert loss == pytest.approx(wanted_loss, rel=0.05, abs=0.05)
    for key, gradient in wanted.items():
        error = float((gradients[key].double() - gradient).norm())
        assert error <= 0.05 * float(gradient.norm()) + 1e-3, key


@pytest.mark.parametrize("pooling", ["max", "lse", "topk", "average"])
def test_pooled_scores_are_those_prediction_gives(pooling: str) -> None:
    scene = Scene.random(5)
    pooled = scene.step(pooling=pooling).pooled_scores(scene.cells)
    for part, row in zip(scene.cells, pooled, strict=True):
        scores = scene.head(scene.projection(torch.from_numpy(part).float())).detach().numpy()
        np.testing.assert_allclose(
            row, get_pooling(pooling).pool_maps(scores.T[:, :, None]), rtol=1e-4, atol=1e-5
        )


class TestAverage:
    @law
    @given(st.integers(0, 9999), st.sampled_from((0, 12)))
    def test_scores_are_the_mean_over_cells(self, seed: int, hidden: int) -> None:
        scene = Scene.random(seed, hidden)
        assert_same(scene.gradients(pooling="average"), scene.by_hand(pool="mean"))

    def test_dropout_comes_from_the_generator(self) -> None:
        scene = Scene.random(2, hidden=12, hidden_dropout=0.5)
        losses = [scene.gradients(seed, pooling="average")[0] for seed in (1, 1, 2)]
        assert losses[0] == losses[1] != losses[2]


def test_dense_gradient_with_dropout_pools_the_dropped_scores() -> None:
    scene = Scene.random(2, hidden_dropout=0.5)
    loss, _gradients = scene.gradients(seed=9, gradient="dense")
    draws = generator(9)
    total, features = 0.0, scene.projection(torch.from_numpy(np.concatenate(scene.cells)).float())
    mask = (torch.rand(len(features), 12, generator=draws) >= 0.5).float() * 2
    assert scene.head.fca is not None
    hidden = functional.relu(features @ scene.head.fca.weight.T + scene.head.fca.bias) * mask
    scores = hidden @ scene.head.fcb.weight.T + scene.head.fcb.bias
    start = 0
    for part, signs in zip(scene.cells, scene.labels, strict=True):
        best = scores[start : start + len(part)].amax(dim=0)
        total += float((torch.log1p(torch.exp(-signs * best)) * (signs != 0)).sum().detach())
        start += len(part)
    assert loss == pytest.approx(total / 4, rel=1e-5)
