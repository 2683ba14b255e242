"""The model that ships, on images of everyday things: some of those that scikit-image carries."""

from __future__ import annotations

import argparse
from pathlib import Path

import skimage.data

from freeloc import Localizer
from freeloc.images.decode import load_image
from freeloc.io.progress import print_status
from freeloc.visualization import draw_grid, draw_overlay, save_image

IMAGES = ("astronaut", "chelsea", "coffee", "motorcycle_left")
"""An astronaut (NASA, public domain), a cat (Stefan van der Walt, CC0), a cup of coffee (Rachel Michetti, CC0),
and a garage with a motorbike (Middlebury stereo benchmark of 2014; not ours to hand on)."""


def main() -> None:
    """Write an overlay for every image, all of them on one page, and say what is where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="voc20", help="a model's name or file (default: voc20)")
    parser.add_argument("--images", nargs="+", default=IMAGES, help="some of scikit-image's, by name")
    parser.add_argument("--out", type=Path, default=Path("demo/images"), help="folder of the pictures")
    words = parser.parse_args()
    localizer = Localizer.load(words.model)
    folder = Path(skimage.data.__path__[0])
    pictures = []
    for name in words.images:
        path = folder / f"{name}.png"
        result = localizer.predict(path)
        picture = draw_overlay(load_image(path), result, panel_height=240)
        save_image(picture, words.out / f"{name}.jpg")
        pictures.append(picture)
        found = (f"{one.name} {one.probability:.0%} at {one.x:.0f}, {one.y:.0f}" for one in result.present())
        print_status(f"{name}: {'; '.join(found) or 'nothing'}")
    save_image(draw_grid(pictures, columns=1), words.out / "overview.jpg")
    print_status(f"wrote {len(pictures)} pictures and an overview to {words.out}")


if __name__ == "__main__":
    main()
