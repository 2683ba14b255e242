"""A whole study: features, models, rows, tests between rows, and all of it written down.

Everything long is kept as soon as it is done, features in the cache, models in their run folders and rows beside
them, so that a study that was stopped goes on where it stopped, and a row asked for later costs only itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from freeloc.datasets.dataset import PRESENT, Dataset
from freeloc.evaluation.annotations import Annotations, check_evaluable
from freeloc.evaluation.collect import Predictions
from freeloc.evaluation.options import EvaluationOptions
from freeloc.features.extract import extract
from freeloc.features.sources import CachedFeatures
from freeloc.geometry.pyramid import Pyramid
from freeloc.images.decode import read_image_size
from freeloc.io.progress import print_status
from freeloc.metrics import Detections, center_points, location_outcomes
from freeloc.metrics import Outcome as Fate
from freeloc.models.header import ModelFile
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.registry import load_backbone
from freeloc.paper.box_rows import BoxRows, together
from freeloc.paper.context_audit import ClassAudit, audit_classes
from freeloc.paper.figures.catalog import EvolutionRow
from freeloc.paper.map_evolution import WATCHED_SCALE, growth_rows, watched_iterations
from freeloc.paper.measure import MeasuredRow, compare, measure, measure_boxes
from freeloc.paper.rows import MODELS, RowPlan, points_of
from freeloc.paper.score_rows import (
    as_predictions,
    load_predictions,
    point_reader,
    read_maps,
    save_predictions,
    surest,
)
from freeloc.paper.settings import Places, Settings, describe_features
from freeloc.paper.studies import Study
from freeloc.runtime import compile_network
from freeloc.training.recipe import Recipe
from freeloc.training.settings import TrainingSettings
from freeloc.training.train import train

__all__ = ["Outcome", "Reproduction"]

_WATCHED = 4
"""Images whose maps are watched over training."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a study found.

    Attributes:
        study: the protocol.
        train: name of the images trained on.
        val: name of those measured on.
        classes: the K classes.
        positives: images of each among those measured on.
        images: how many those are.
        rows: measured rows, in the order of the tables.
        audit: the classes, the widest gap between telling and finding first; empty without the row "weak".
        predictions: what each row of points was measured on.
        detections: what each row of boxes was measured on.
        growth: score maps of the row "weak" over its training, for a few images; none without that row.
    """

    study: Study
    train: str
    val: str
    classes: tuple[str, ...]
    positives: tuple[int, ...]
    images: int
    rows: tuple[MeasuredRow, ...]
    audit: tuple[ClassAudit, ...]
    predictions: Mapping[str, Predictions]
    detections: Mapping[str, Detections]
    growth: tuple[EvolutionRow, ...] = ()


class Reproduction:
    """One study on one pair of data sets.

    Args:
        study: the protocol.
        train_set: images to train on; boxes are read only for rows that say so.
        val_set: images to measure on, with boxes.
        out: folder of everything that is written.
        settings: how it is run.

    Raises:
        FreelocError: the data sets have different classes, or one lacks boxes that are needed.
    """

    def __init__(
        self, study: Study, train_set: Dataset, val_set: Dataset, out: Path, settings: Settings
    ) -> None:
        check_evaluable(val_set, {train_set.name: train_set.classes})
        self.study = study
        self.places = Places(out)
        self._train_set = train_set
        self._val_set = val_set
        self._settings = settings
        self.options = EvaluationOptions(
            flavour=study.flavour, resamples=settings.resamples, seed=settings.seed
        )

    def run(self, rows: Sequence[RowPlan]) -> Outcome:
        """Train, read and measure rows.

        Args:
            rows: those asked for, of `freeloc.paper.rows`.
        """
        backbone = load_backbone(self._settings.backbone, self._settings.weights)
        models = {key: self.model(key) for key in dict.fromkeys(row.model for row in rows) if key}
        scales = tuple(sorted({WATCHED_SCALE, *(scale for row in rows for scale in row.scales)}))
        features = self._features(self._val_set, backbone, scales)
        boxes = BoxRows(
            train_set=self._train_set,
            val_set=self._val_set,
            backbone=backbone,
            features=features,
            sizes=tuple(read_image_size(sample.path) for sample in self._val_set),
            train_features=partial(self._features, self._train_set, backbone),
            places=self.places,
            settings=self._settings,
        )
        predictions: dict[str, Predictions] = {}
        detections: dict[str, Detections] = {}
        for key, model in models.items():
            own = [row for row in rows if row.model == key]
            points, found = self._read(key, model, backbone, features, boxes, own)
            predictions |= points
            detections |= found
        for row in rows:
            if row.key == "centre":
                predictions["centre"] = self._centre(predictions["weak"])
            elif row.extent == "detector":
                detections[row.key] = self._detected(row, boxes)
        annotations = Annotations.read(self._val_set, boxes.sizes)
        outcome = self._outcome(rows, predictions, detections, annotations)
        if "weak" in predictions:
            outcome = replace(
                outcome, growth=self._growth(predictions["weak"], backbone, features, annotations)
            )
        return outcome

    def model(self, key: str) -> Model:
        """One trained model; trained now, or as far as it was not yet."""
        recipe = self._recipe(key)
        data = self._train_set if recipe.supervision != "tags" else _without_boxes(self._train_set)
        self._say(f"model {key}: {_in_words(recipe)}")
        settings = self._settings
        return train(
            data,
            self.places.model(key),
            TrainingSettings(
                backbone=settings.backbone,
                weights=settings.weights,
                recipe=recipe,
                seed=settings.seed,
                runtime=settings.runtime,
                precision=settings.precision,
                cache_folder=settings.cache,
                snapshots=watched_iterations(self._iterations(recipe)) if key == "weak" else (),
            ),
            resume=True,
            quiet=settings.quiet,
        )

    def _recipe(self, key: str) -> Recipe:
        """The recipe of a model, with the passes that are asked for, or those that the images take."""
        recipe, epochs = MODELS[key], self._settings.epochs
        if epochs is not None:
            recipe = replace(recipe, epochs=epochs, min_steps=0)
        return recipe.resolved(len(self._train_set))

    def _iterations(self, recipe: Recipe) -> int:
        return recipe.epochs * recipe.steps_per_epoch(len(self._train_set))

    def _features(self, dataset: Dataset, backbone: Backbone, scales: tuple[float, ...]) -> CachedFeatures:
        settings = self._settings
        network = compile_network(
            backbone, runtime=settings.runtime, precision=settings.precision, streams=True
        )
        paths = [sample.path for sample in dataset]
        return extract(
            paths, backbone, network, Pyramid(scales), cache_folder=settings.cache, quiet=settings.quiet
        )

    def _detected(self, row: RowPlan, boxes: BoxRows) -> Detections:
        kept = boxes.kept(row, "")
        if kept is None:
            kept = boxes.detect()
            boxes.keep(row, "", kept)
        return kept

    def _read(
        self,
        key: str,
        model: Model,
        backbone: Backbone,
        features: CachedFeatures,
        boxes: BoxRows,
        rows: Sequence[RowPlan],
    ) -> tuple[dict[str, Predictions], dict[str, Detections]]:
        """The rows of one model, of points and of boxes; those that are kept from before as they are."""
        content = ModelFile.open(self.places.model(key)).content_hash
        from_what = {
            row.key: f"{content} {describe_features(features)} {row.scales} {row.mode}"
            for row in points_of(rows)
        }
        points: dict[str, Predictions | None] = {
            row.key: load_predictions(self.places.row(row.key), row.key, row.mode, from_what[row.key])
            for row in points_of(rows)
        }
        found = {row.key: boxes.kept(row, content) for row in rows if row.extent is not None}
        missing = {row.key: row for row in rows if points.get(row.key) is None and found.get(row.key) is None}
        if missing:
            readers = {
                row.key: point_reader(row, model) if row.extent is None else boxes.reader(row, model)
                for row in missing.values()
            }
            scales = {scale for row in missing.values() for scale in row.scales}
            settings = self._settings
            read = read_maps(
                *(key, model, backbone, features, boxes.sizes, scales, readers),
                precision=settings.precision,
                quiet=settings.quiet,
            )
            for name, row in missing.items():
                if row.extent is None:
                    made = points[name] = as_predictions(row, boxes.sizes, read[name])
                    save_predictions(self.places.row(name), made, row.mode, from_what[name])
                else:
                    drawn = found[name] = together(read[name])
                    boxes.keep(row, content, drawn)
        return (
            {name: one for name, one in points.items() if one is not None},
            {name: some for name, some in found.items() if some is not None},
        )

    def _growth(
        self, weak: Predictions, backbone: Backbone, features: CachedFeatures, annotations: Annotations
    ) -> tuple[EvolutionRow, ...]:
        """Maps of the weakly supervised model over its training, for the images it locates most surely."""
        data, settings = self._val_set, self._settings
        folder = self.places.model("weak") / "snapshots"
        files = [(int(file.stem.removeprefix("step-")), file) for file in sorted(folder.glob("step-*"))]
        fates = location_outcomes(weak.points["paper"], weak.sizes, annotations.ground_truth, data.labels)
        chosen = surest(weak.scores, fates == Fate.HIT, _WATCHED)
        if not (files and chosen):
            return ()
        rows = growth_rows(files, chosen, data, backbone, features, weak.sizes, precision=settings.precision)
        return tuple(rows)

    def _centre(self, weak: Predictions) -> Predictions:
        """The middle of the image, ranked by the image scores of the weakly supervised row."""
        points = center_points(weak.sizes, len(self._val_set.classes))
        return replace(
            weak, name="centre", points={"paper": points}, responses={"paper": weak.scores.astype(np.float32)}
        )

    def _outcome(
        self,
        rows: Sequence[RowPlan],
        predictions: Mapping[str, Predictions],
        detections: Mapping[str, Detections],
        annotations: Annotations,
    ) -> Outcome:
        data = self._val_set
        measured = [
            measure_boxes(row, detections[row.key], annotations, self.options)
            if row.key in detections
            else measure(row, predictions[row.key], annotations, self.options)
            for row in rows
        ]
        compared = compare(measured, self.options)
        by_key = {row.plan.key: row for row in compared}
        positives = tuple(int(count) for count in (data.labels == PRESENT).sum(axis=0))
        audit = audit_classes(by_key, data.classes, positives, self.options) if "weak" in by_key else ()
        return Outcome(
            study=self.study,
            train=self._train_set.name,
            val=data.name,
            classes=data.classes,
            positives=positives,
            images=len(data),
            rows=compared,
            audit=audit,
            predictions=predictions,
            detections=detections,
        )

    def _say(self, text: str) -> None:
        if not self._settings.quiet:
            print_status(text)


def _without_boxes(dataset: Dataset) -> Dataset:
    """The same images as training from tags sees them."""
    return replace(dataset, samples=tuple(replace(sample, boxes=None) for sample in dataset))


def _in_words(recipe: Recipe) -> str:
    scales = ", ".join(f"{scale:g}" for scale in recipe.scales)
    return f"recipe {recipe.name}, {recipe.pooling} pooling, {recipe.epochs} epochs at scales {scales}"
