"""The backbones that have a name: facts about each, as data.

A short name such as ``dinov2-small`` stands for one network of timm with one set of weights. Licenses, parameters
and normalization are those of timm's own description; tests compare them. ``HubFile.revision`` and
``HubFile.sha256`` are None where no value could be confirmed by two independent sources.

Importing this module loads neither torch nor NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["CATALOG", "BackboneFacts", "HubFile", "WeightSource", "find_facts"]

WeightSource: TypeAlias = Literal["included", "download", "hub", "file"]
"""Where weights come from: freeloc itself, a published file, the Hugging Face Hub, or a local file only."""

Triple: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """A weight file on the Hugging Face Hub.

    Attributes:
        repository: the repository.
        revision: the commit that is downloaded; None for the newest one.
        sha256: hash that the file must have; None if it is not known.
        filename: name of the file in the repository.
    """

    repository: str
    revision: str | None = None
    sha256: str | None = None
    filename: str = "model.safetensors"

    @property
    def pinned(self) -> bool:
        """Whether the content of the file is known."""
        return self.sha256 is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneFacts:
    """Facts about a backbone that are known without loading it.

    Attributes:
        name: the name by which users choose it.
        loads: the full name of the backbone that is loaded, which model files store.
        license: license of the weights: an SPDX identifier, or the license's own name.
        terms: what the license asks for, in a few words.
        commercial: whether the license allows commercial use.
        parameters: number of weights and biases, without the classifier.
        stride: distance between the centers of adjacent cells, in canvas pixels.
        offset: distance of the center of the first cell from the edge of the canvas, in canvas pixels.
        window: side of the window from which a cell is computed; None for backbones with internal padding.
        channels: number of values per cell in the feature cache.
        detail_channels: number of channels of the detail features; 0 if there are none.
        mean: mean of the input per channel, for RGB values from 0 to 1.
        deviation: divisor of the input per channel, for RGB values from 0 to 1.
        weights: where the weights come from.
        hub: the weight file, if they come from the hub.
    """

    name: str
    loads: str
    license: str
    terms: str
    commercial: bool
    parameters: int
    stride: int
    offset: float
    window: int | None = None
    channels: int
    detail_channels: int
    mean: Triple = (0.485, 0.456, 0.406)
    deviation: Triple = (0.229, 0.224, 0.225)
    weights: WeightSource = "hub"
    hub: HubFile | None = None


_PERMISSIVE: Final = "keep the notices"
_HALF: Final[Triple] = (0.5, 0.5, 0.5)


def _lite(number: int, parameters: int, channels: int, detail_channels: int) -> BackboneFacts:
    name = f"efficientnet_lite{number}"
    return BackboneFacts(
        name=name,
        loads=name,
        license="Apache-2.0",
        terms=_PERMISSIVE,
        commercial=True,
        parameters=parameters,
        stride=32,
        offset=23.0,
        channels=channels,
        detail_channels=detail_channels,
        mean=_HALF,
        deviation=_HALF,
        weights="included",
    )


CATALOG: Final[tuple[BackboneFacts, ...]] = (
    _lite(0, 3_369_728, 320, 80),
    _lite(1, 4_134_400, 320, 80),
    _lite(2, 4_809_792, 352, 88),
    BackboneFacts(
        name="dinov2-small",
        loads="timm:vit_small_patch14_dinov2.lvd142m",
        license="Apache-2.0",
        terms=_PERMISSIVE,
        commercial=True,
        parameters=22_056_192,
        stride=14,
        offset=7.0,
        channels=384,
        detail_channels=768,
        hub=HubFile(
            repository="timm/vit_small_patch14_dinov2.lvd142m",
            revision="4610ca143709d58a633b6397a74412c2c3842454",
            sha256="04d27f3400d059fc0cfd7d17dd1909a75bf3ea8fb3eeb48b97cb99e57ee20081",
        ),
    ),
    BackboneFacts(
        name="dinov2-small-registers",
        loads="timm:vit_small_patch14_reg4_dinov2.lvd142m",
        license="Apache-2.0",
        terms=_PERMISSIVE,
        commercial=True,
        parameters=22_057_344,
        stride=14,
        offset=7.0,
        channels=384,
        detail_channels=768,
        hub=HubFile(repository="timm/vit_small_patch14_reg4_dinov2.lvd142m"),
    ),
    BackboneFacts(
        name="dinov2-base",
        loads="timm:vit_base_patch14_dinov2.lvd142m",
        license="Apache-2.0",
        terms=_PERMISSIVE,
        commercial=True,
        parameters=86_579_712,
        stride=14,
        offset=7.0,
        channels=768,
        detail_channels=1536,
        hub=HubFile(
            repository="timm/vit_base_patch14_dinov2.lvd142m",
            revision="4685c99dabffe5affac90bd99dbffd25801ae58d",
            sha256="55cbb5d887b336d430e649c277b85a1429e724871f9d02ac16203235886d8c7b",
        ),
    ),
    BackboneFacts(
        name="dinov3-small",
        loads="timm:vit_small_patch16_dinov3.lvd1689m",
        license="DINOv3 License",
        terms="pass on under the same license, with a copy of it; name DINOv3 in publications; no military use",
        commercial=True,
        parameters=21_586_944,
        stride=16,
        offset=8.0,
        channels=384,
        detail_channels=768,
        hub=HubFile(
            repository="timm/vit_small_patch16_dinov3.lvd1689m",
            revision="3bf4720a82ec2066db88137180ff1f83a675cef0",
            sha256="2a1ec16ae28ffa07bc0ead0241ee7df9fc26451fe6f9f839b7b3afa0a906b040",
        ),
    ),
    BackboneFacts(
        name="dinov3-convnext-tiny",
        loads="timm:convnext_tiny.dinov3_lvd1689m",
        license="DINOv3 License",
        terms="pass on under the same license, with a copy of it; name DINOv3 in publications; no military use",
        commercial=True,
        parameters=27_820_128,
        stride=32,
        offset=16.0,
        channels=768,
        detail_channels=384,
        hub=HubFile(
            repository="timm/convnext_tiny.dinov3_lvd1689m",
            revision="39c7bb32f83c11bbb13cb23058f8852a4dac88ed",
            sha256="a7637753a2e85d709d1a5474e13382d39e7bc581a35868b477585c970f36847f",
        ),
    ),
    BackboneFacts(
        name="siglip2-base",
        loads="timm:vit_base_patch16_siglip_gap_224.v2_webli",
        license="Apache-2.0",
        terms=_PERMISSIVE,
        commercial=True,
        parameters=85_797_120,
        stride=16,
        offset=8.0,
        channels=768,
        detail_channels=1536,
        mean=_HALF,
        deviation=_HALF,
        hub=HubFile(repository="timm/vit_base_patch16_siglip_gap_224.v2_webli"),
    ),
    BackboneFacts(
        name="convnext-tiny",
        loads="timm:convnext_tiny.in12k_ft_in1k",
        license="Apache-2.0",
        terms=_PERMISSIVE,
        commercial=True,
        parameters=27_820_128,
        stride=32,
        offset=16.0,
        channels=768,
        detail_channels=384,
        hub=HubFile(
            repository="timm/convnext_tiny.in12k_ft_in1k",
            revision="aa096f03029c7f0ec052013f64c819b34f8ad790",
            sha256="a1aefa409b513cf209b085424eb3efffe4e4a9f511491bc2c12ea35209e6bb95",
        ),
    ),
    BackboneFacts(
        name="convnextv2-nano",
        loads="timm:convnextv2_nano.fcmae_ft_in22k_in1k",
        license="CC-BY-NC-4.0",
        terms="name the authors",
        commercial=False,
        parameters=14_982_800,
        stride=32,
        offset=16.0,
        channels=640,
        detail_channels=320,
        hub=HubFile(repository="timm/convnextv2_nano.fcmae_ft_in22k_in1k"),
    ),
    BackboneFacts(
        name="mobilenetv4-conv-small",
        loads="timm:mobilenetv4_conv_small.e2400_r224_in1k",
        license="Apache-2.0",
        terms=_PERMISSIVE,
        commercial=True,
        parameters=2_493_024,
        stride=32,
        offset=0.5,
        channels=960,
        detail_channels=96,
        hub=HubFile(
            repository="timm/mobilenetv4_conv_small.e2400_r224_in1k",
            revision="331fb803779522b685cf942e15f914fb6741c1eb",
            sha256="7a7102ec18f62bbfb555b6fe829bbb5af749516b84174926c29ffdfdfc03aec4",
        ),
    ),
    BackboneFacts(
        name="mobilenetv4-conv-medium",
        loads="timm:mobilenetv4_conv_medium.e500_r256_in1k",
        license="Apache-2.0",
        terms=_PERMISSIVE,
        commercial=True,
        parameters=8_434_512,
        stride=32,
        offset=0.5,
        channels=960,
        detail_channels=160,
        hub=HubFile(
            repository="timm/mobilenetv4_conv_medium.e500_r256_in1k",
            revision="ad66898c045c1b5223ea3f2c0830b74cf2e75bac",
        ),
    ),
    BackboneFacts(
        name="fastvit-t8",
        loads="timm:fastvit_t8.apple_dist_in1k",
        license="FastViT license (Apple)",
        terms="keep the notice; no patent license",
        commercial=True,
        parameters=3_257_232,
        stride=32,
        offset=0.5,
        channels=768,
        detail_channels=192,
        hub=HubFile(repository="timm/fastvit_t8.apple_dist_in1k"),
    ),
    BackboneFacts(
        name="alexnet",
        loads="alexnet",
        license="BSD-3-Clause",
        terms=_PERMISSIVE,
        commercial=True,
        parameters=57_003_840,
        stride=32,
        offset=112.0,
        window=224,
        channels=4096,
        detail_channels=0,
        weights="download",
    ),
    BackboneFacts(
        name="overfeat",
        loads="overfeat",
        license="OverFeat license (NYU)",
        terms="internal research and evaluation only; no redistribution",
        commercial=False,
        parameters=140_559_488,
        stride=36,
        offset=110.5,
        window=221,
        channels=4096,
        detail_channels=0,
        mean=(0.46424, 0.46424, 0.46424),
        deviation=(0.24273, 0.24273, 0.24273),
        weights="file",
    ),
)
"""All backbones with a name: first those that ship with freeloc, last those of the paper."""

_BY_FULL_NAME: Final = {facts.loads: facts for facts in CATALOG}


def find_facts(loads: str) -> BackboneFacts | None:
    """Return the facts about a backbone with this full name; None if it is not in the catalog."""
    return _BY_FULL_NAME.get(loads)
