"""The comparison of the features of timm's networks in both runtimes, on timm's smallest networks."""

from __future__ import annotations

import pytest
import torch

from benchmarks.backbones import NAMES, create_random, main, relative_difference
from benchmarks.peers import import_peer
from freeloc.errors import MissingDependencyError
from freeloc.nn.backbones.catalog import CATALOG


@pytest.fixture(autouse=True)
def _timm() -> None:
    try:
        import_peer("timm", "timm")
    except MissingDependencyError as error:
        pytest.skip(str(error))


def test_all_networks_of_timm_with_a_name_are_compared() -> None:
    others = {"efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "alexnet", "overfeat"}
    assert {*NAMES, *others} == {facts.name for facts in CATALOG}
    assert not others & {*NAMES}


def test_the_difference_is_measured_on_weights_with_an_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = create_random("timm:test_resnet")
    assert all(parameter.count_nonzero() > 0.9 * parameter.numel() for parameter in backbone.parameters())
    assert 0 < relative_difference(backbone) < 1e-4
    forward = type(backbone).forward_with_detail
    monkeypatch.setattr(
        type(backbone),
        "forward_with_detail",
        lambda self, canvas: tuple(values * 1.5 for values in forward(self, canvas)),
    )
    with torch.no_grad():
        assert relative_difference(backbone) == pytest.approx(0.5, abs=1e-3)


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    main(["timm:test_vit"])
    lines = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]
    assert [row[0] for row in rows] == ["`timm:test_vit`"]
    assert all(0 < float(row[1]) < 1e-4 and float(row[2]) > 0 for row in rows)
