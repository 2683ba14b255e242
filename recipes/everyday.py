"""Draw overlays of the pretrained model's predictions on scikit-image's images of everyday objects."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import skimage.data

from freeloc import Localizer
from freeloc.images.decode import load_image
from freeloc.io.progress import print_status
from freeloc.visualization import draw_grid, draw_overlay, save_image

IMAGES = ("astronaut", "chelsea", "coffee", "motorcycle_left")
"""An astronaut (NASA, public domain), a cat (Stefan van der Walt, CC0), a cup of coffee (Rachel Michetti, CC0),
and a garage with a motorbike (Middlebury stereo benchmark of 2014; not ours to redistribute)."""


def main(words: Sequence[str] | None = None) -> None:
    """Write an overlay for each image and an overview of all overlays, and print the present classes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="voc20", help="name or file of a model (default: voc20)")
    parser.add_argument("--images", nargs="+", default=IMAGES, help="names of scikit-image's example images")
    parser.add_argument(
        "--out", type=Path, default=Path("demo/images"), help="output folder for the overlays"
    )
    arguments = parser.parse_args(words)
    localizer = Localizer.load(arguments.model)
    folder = Path(skimage.data.__path__[0])
    overlays = []
    for name in arguments.images:
        path = folder / f"{name}.png"
        result = localizer.predict(path)
        overlay = draw_overlay(load_image(path), result, panel_height=240)
        save_image(overlay, arguments.out / f"{name}.jpg")
        overlays.append(overlay)
        present = (
            f"{location.name} {location.probability:.0%} at {location.x:.0f}, {location.y:.0f}"
            for location in result.present()
        )
        print_status(f"{name}: {'; '.join(present) or 'no class is present'}")
    save_image(draw_grid(overlays, columns=1), arguments.out / "overview.jpg")
    print_status(f"wrote {len(overlays)} overlays and an overview to {arguments.out}")


if __name__ == "__main__":
    main()
