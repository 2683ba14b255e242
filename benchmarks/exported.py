"""An exported file in ONNX Runtime, compared with freeloc in Python on images of odd sizes.

    freeloc export voc20 --onnx voc20.onnx
    python -m benchmarks.exported voc20.onnx --images VOCdevkit/VOC2012/JPEGImages

The images are resized to random sizes between 40 and 5,000 pixels first, so that every way of resizing occurs. For
OpenVINO, name the file ``.xml``. A point may be elsewhere if its map has two maxima that are equal up to rounding
errors; how much the values of the map in Python differ at both points is printed as well.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from benchmarks.workload import positive, run
from freeloc._typing import Float32Array, Uint8Array
from freeloc.inference.localizer import Localizer
from freeloc.inference.result import Localization
from freeloc.io.progress import track

__all__ = ["main", "odd_image", "open_exported"]

_SAME: Final = 0.5
"""Points up to this many pixels apart are the same."""


def open_exported(path: Path) -> tuple[Callable[[Uint8Array], Sequence[Any]], dict[str, Any]]:
    """Return a function that runs an exported file, and the file's metadata."""
    if path.suffix == ".xml":
        from freeloc.runtime.openvino_import import openvino_core

        graph = openvino_core().read_model(path)
        network = openvino_core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        names = ("model", "preset", "scales")
        texts = {name: graph.get_rt_info(["freeloc", name]).value for name in names}
        return (lambda image: list(network(image).values())), _decode(texts)
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    texts = session.get_modelmeta().custom_metadata_map
    return (lambda image: session.run(None, {"image": image})), _decode(texts)


def _decode(texts: dict[str, str]) -> dict[str, Any]:
    return {name: json.loads(text) for name, text in texts.items() if name != "freeloc"}


def odd_image(path: Path, random: np.random.Generator) -> Uint8Array:
    """Return an image in a random size and shape."""
    width, height = (int(side) for side in np.exp(random.uniform(np.log(40), np.log(5000), 2)))
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((width, height)))


def main(words: Sequence[str] | None = None) -> None:
    """Print the largest differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--images", type=Path, required=True, help="folder of images")
    parser.add_argument("--count", type=positive, default=100, help="number of images (100)")
    arguments = parser.parse_args(words)
    compute, metadata = open_exported(arguments.file)
    options: dict[str, Any] = {"runtime": "openvino", "precision": "float32"}
    if metadata["preset"] is None:
        options["scales"] = tuple(metadata["scales"])
    else:
        options["preset"] = metadata["preset"]
    localizer = Localizer.load(metadata["model"]["name"], **options)
    random = np.random.default_rng(0)
    paths = sorted(arguments.images.glob("*.jpg"))[: arguments.count]
    differences = []
    gaps: list[float] = []
    for path in track(paths, "comparing", len(paths)):
        image = odd_image(path, random)
        scores, probabilities, points, maps = compute(image)
        expected = localizer(image)
        distances = np.hypot(*(points - expected.points).T)
        gaps += (_gap(expected, int(label), points[label]) for label in np.flatnonzero(distances > _SAME))
        differences.append(
            (
                np.abs(scores - expected.scores).max(),
                np.abs(probabilities - expected.probabilities).max(),
                np.abs(maps - expected.maps).max(),
                distances.max(),
            )
        )
    scores, probabilities, maps, distance = np.array(differences).max(axis=0)
    print(f"{len(paths)} images of {paths[0].parent}, {len(localizer.classes)} classes, {metadata['scales']}")
    print(
        f"scores {scores:.1e}, probabilities {probabilities:.1e}, maps {maps:.1e}, points {distance:.1e} pixels"
    )
    print(
        f"{len(gaps)} of {len(paths) * len(localizer.classes):,} points differ by more than half a pixel"
        + (f", where the values of the maps differ by at most {max(gaps):.1e}" if gaps else "")
    )


def _gap(expected: Localization, label: int, point: Float32Array) -> float:
    """Return by how much the map of a class is lower at a point than at its maximum."""
    row, col = expected.lattice.nearest(*map(float, point))
    return float(expected.maps[label].max() - expected.maps[label, row, col])


if __name__ == "__main__":
    run(main)
