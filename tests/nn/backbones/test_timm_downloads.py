"""Weights of timm networks that were downloaded before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from freeloc.errors import FreelocError
from freeloc.nn.backbones.registry import load_backbone


def _state(timm: ModuleType, random_weights: Callable[[nn.Module, int], nn.Module]) -> dict[str, Tensor]:
    network = timm.create_model("mobilenetv3_small_050", pretrained=False)
    return dict(random_weights(network, 5).state_dict())


@pytest.mark.parametrize("where", ["hub", "url"])
def test_without_downloads_only_weights_downloaded_before_are_used(
    timm: ModuleType,
    random_weights: Callable[[nn.Module, int], nn.Module],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    import huggingface_hub.constants

    name, state = "timm:mobilenetv3_small_050.lamb_in1k", _state(timm, random_weights)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(FreelocError, match=f"{name} are not on this computer") as caught:
        load_backbone(name, download=False)
    assert caught.value.parameter == "weights"
    local = tmp_path / "local.safetensors"
    save_file(state, local)
    if where == "hub":
        folder = tmp_path / "models--timm--mobilenetv3_small_050.lamb_in1k"
        snapshot = folder / "snapshots" / ("0" * 40)
        snapshot.mkdir(parents=True)
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text("0" * 40)
        save_file(state, snapshot / "model.safetensors")
    else:
        url = timm.get_pretrained_cfg(name.removeprefix("timm:")).url
        file = tmp_path / "hub" / "checkpoints" / url.rpartition("/")[2]
        file.parent.mkdir(parents=True)
        torch.save(state, file)
    assert load_backbone(name, download=False).fingerprint == load_backbone(name, local).fingerprint
