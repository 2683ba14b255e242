"""The images and frames of a prediction in the order in which they are predicted."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from freeloc.errors import ImageError
from freeloc.images.decode import ImageSource
from freeloc.images.video import frame_sources, read_properties
from freeloc.prediction.image_to_predict import ImageToPredict

__all__ = ["Sources"]

Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True, eq=False)
class _Due:
    """A result that is expected, or the end of a video."""

    image: ImageToPredict
    is_end: bool = False


class Sources:
    """The images and frames of a prediction.

    How many frames a video has is known only at its end. Images and frames are taken from here some time before
    their results are there, so those that are due are remembered until `match`.

    Args:
        images: the images and videos.
        every: N predicts the frames 0, N, 2N, … of a video.
        images_done: number of images and videos that are done.
        done: number of images and frames that are done, including those of a video that is not.
    """

    def __init__(
        self, images: Sequence[ImageToPredict], every: int, *, images_done: int = 0, done: int = 0
    ) -> None:
        self._images = images
        self._every = every
        self._images_done = images_done
        self._done = done
        self._taken = 0
        self._due: deque[_Due] = deque()

    def __iter__(self) -> Iterator[ImageSource]:
        """Yield all images and frames, including those that are done."""
        for index, image in enumerate(self._images):
            if not image.is_video:
                self._take(image)
                yield image.path
                continue
            for frame in frame_sources(image.path, self._every):
                self._take(image)
                yield frame
            if index >= self._images_done:
                self._due.append(_Due(image, is_end=True))

    def match(
        self, outcomes: Iterable[Outcome | ImageError]
    ) -> Iterator[tuple[ImageToPredict, Outcome | ImageError | None]]:
        """Yield each result, or the error in its place, with its image or video.

        Args:
            outcomes: the results of the images and frames that are not done, in order.

        Yields:
            The image or video, and its result. After the last result of a video that has no error, the video
            follows with None.
        """
        failed = None
        for outcome in outcomes:
            yield from self._ended(failed)
            image = self._due.popleft().image
            if isinstance(outcome, ImageError):
                failed = image
            yield image, outcome
        yield from self._ended(failed)

    def expected(self) -> int | None:
        """Return about how many results are due; None if that is unknown."""
        total = 0
        for image in self._images:
            if not image.is_video:
                total += 1
                continue
            try:
                frames = read_properties(image.path).frame_count
            except ImageError:
                frames = 1  # the error counts
            if frames is None:
                return None
            total += math.ceil(frames / self._every)
        return max(0, total - self._done)

    def _take(self, image: ImageToPredict) -> None:
        if self._taken >= self._done:
            self._due.append(_Due(image))
        self._taken += 1

    def _ended(self, failed: ImageToPredict | None) -> Iterator[tuple[ImageToPredict, None]]:
        while self._due and self._due[0].is_end:
            image = self._due.popleft().image
            if image is not failed:
                yield image, None
