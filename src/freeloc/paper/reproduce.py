"""Execution of a study: extracting features, training models, and evaluating and comparing rows.

The result of each slow step is saved as soon as it is available: features in the cache, models in their run
folders, and predictions and detections in one file per row. An interrupted study therefore resumes where it
stopped, and if a row is added later, only what that row needs is computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np

from freeloc.datasets.dataset import PRESENT, Dataset
from freeloc.errors import DatasetError
from freeloc.evaluation.annotations import Annotations, check_evaluable, ground_truth_of
from freeloc.evaluation.collect import Predictions
from freeloc.evaluation.options import EvaluationOptions
from freeloc.features.extract import extract
from freeloc.features.sources import CachedFeatures
from freeloc.geometry.pyramid import Pyramid
from freeloc.io.atomic import check_output_folder
from freeloc.io.folders import expand_user
from freeloc.io.lock import lock_folder
from freeloc.io.progress import print_status
from freeloc.metrics import Detections, center_points
from freeloc.models.header import ModelFile
from freeloc.models.model import Model
from freeloc.nn.backbones.base import Backbone
from freeloc.nn.backbones.registry import load_backbone
from freeloc.paper.box_rows import BoxRows
from freeloc.paper.context_audit import audit_classes
from freeloc.paper.extra_rows import check_extra_rows, fuse_rows, read_added_rows
from freeloc.paper.map_evolution import EVOLUTION_SCALE, snapshot_iterations
from freeloc.paper.map_reader import MapReader
from freeloc.paper.measured_rows import MeasuredRow, compare_rows, measure_boxes, measure_points
from freeloc.paper.paper_comparison import compare_with_paper
from freeloc.paper.point_rows import load_predictions, point_reader, predictions_from, save_predictions
from freeloc.paper.published_classes import PUBLISHED_CLASSES
from freeloc.paper.row_plans import (
    LETTER,
    MODELS,
    RowPlan,
    check_drawn,
    check_scorable,
    draws_scales,
    point_rows,
)
from freeloc.paper.settings import ReproductionSettings
from freeloc.paper.studies import Study
from freeloc.paper.study_folder import StudyFolder
from freeloc.paper.study_result import StudyResult
from freeloc.paper.training_evolution import Evolution, read_evolution
from freeloc.runtime import compile_network
from freeloc.training.convergence import TrainingOutcome, training_outcome
from freeloc.training.recipe import Recipe
from freeloc.training.run_folder import RunFolder
from freeloc.training.settings import TrainingSettings
from freeloc.training.snapshots import Snapshots
from freeloc.training.train import train

__all__ = ["Reproduction"]


class Reproduction:
    """One study, with a training dataset and an evaluation dataset.

    Args:
        study: the protocol.
        train_set: training images; their boxes are read only for rows with box supervision.
        val_set: evaluation images, with annotated boxes; or without any annotations, in which case they are only
            scored.
        out: output folder.
        settings: settings of the study.

    Raises:
        DatasetError: the datasets have different classes, or required boxes are missing.
        OutputError: ``out`` cannot be a folder.
    """

    def __init__(
        self, study: Study, train_set: Dataset, val_set: Dataset, out: Path, settings: ReproductionSettings
    ) -> None:
        check_output_folder(out)
        _check_datasets(train_set, val_set)
        self.study = study
        self.folder = StudyFolder(expand_user(out))
        self._train_set = train_set
        self._val_set = val_set
        self._settings = settings
        self.options = EvaluationOptions(
            flavour=study.flavour, resamples=settings.resamples, seed=settings.seed
        )

    def lock(self) -> AbstractContextManager[None]:
        """Return a context in which no other process writes to the output folder.

        Raises:
            OutputError: another process is writing to the folder, or it cannot be written to.
        """
        return lock_folder(self.folder.root)

    def run(self, rows: Sequence[RowPlan]) -> StudyResult:
        """Train the models that the rows need, evaluate the rows, and compare them.

        Without annotations of the evaluation images, the rows are not evaluated; the result has their predictions.

        Args:
            rows: the rows, from `freeloc.paper.row_plans`; the settings may contain more.

        Raises:
            ConfigurationError: there are rows of boxes, and the evaluation images have no annotations; or features
                at drawn scales are to be stored, and no row draws scales; or a row in the settings has a name that
                is taken, or fuses a row that does not exist.
            DatasetError: the scores of an added row cannot be read.
        """
        settings, has_labels = self._settings, self._val_set.has_labels
        check_extra_rows(rows, settings.add_row, settings.fuse)
        check_drawn(rows, cache_drawn=settings.cache_drawn)
        check_scorable(rows, has_labels=has_labels)
        added = read_added_rows(settings.add_row, self._val_set)
        backbone = load_backbone(settings.backbone, settings.weights)
        models = {key: self.model(key) for key in dict.fromkeys(row.model for row in rows) if key}
        boxes = self._box_rows(rows, backbone)
        predictions: dict[str, Predictions] = {}
        detections: dict[str, Detections] = {}
        for key, model in models.items():
            members = [row for row in rows if row.model == key]
            points, found = self._read(key, model, boxes[members[0].pyramid.key], members)
            predictions |= points
            detections |= found
        for row in rows:
            if row.key == "center":
                predictions["center"] = self._center(predictions["weak"])
            elif row.box_method == "detector":
                detections[row.key] = self._detect(row, boxes[row.pyramid.key])
        predictions |= added
        predictions |= fuse_rows(settings.fuse, predictions)
        annotations = Annotations.read(self._val_set, self._val_set.image_sizes()) if has_labels else None
        plans = [*rows, *(row.plan for row in settings.add_row), *(row.plan for row in settings.fuse)]
        result = self._result(plans, predictions, detections, annotations)
        result = replace(result, backbone_fingerprint=backbone.fingerprint)
        for row in rows:
            if row.key == "weak" and annotations is not None:
                result = replace(result, evolution=self._evolution(row, boxes[row.pyramid.key].reader))
        return result

    def _box_rows(self, rows: Sequence[RowPlan], backbone: Backbone) -> dict[str, BoxRows]:
        """Return the computation of boxes, with a reader of score maps, for each kind of canvas that rows use."""
        sizes, settings = self._val_set.image_sizes(), self._settings
        pyramids: dict[str, Pyramid] = {}
        for row in rows:
            if row.model is not None or row.box_method is not None:
                known = pyramids.get(row.pyramid.key)
                scales = {EVOLUTION_SCALE, *row.scales, *(known.scales if known else ())}
                pyramids[row.pyramid.key] = row.pyramid.with_scales(tuple(sorted(scales)))
        return {
            key: BoxRows(
                train_set=self._train_set,
                val_set=self._val_set,
                reader=MapReader(
                    backbone,
                    self._features(self._val_set, backbone, pyramid),
                    sizes,
                    settings.precision,
                    settings.quiet,
                ),
                train_features=lambda scales: self._features(self._train_set, backbone, Pyramid(scales)),
                folder=self.folder,
                settings=settings,
            )
            for key, pyramid in pyramids.items()
        }

    def model(self, key: str) -> Model:
        """Train a model, or load it if it has already been trained; an interrupted run is resumed."""
        recipe = self._recipe(key)
        data = self._train_set if recipe.supervision != "tags" else _without_boxes(self._train_set)
        settings = self._settings
        if not settings.quiet:
            print_status(f"model {key}: {_describe(recipe, draws_scales(key))}")
        return train(
            data,
            self.folder.model(key),
            TrainingSettings(
                backbone=settings.backbone,
                weights=settings.weights,
                recipe=recipe,
                seed=settings.seed,
                runtime=settings.runtime,
                precision=settings.precision,
                cache_features=settings.cache_drawn or not draws_scales(key),
                draw_scales=draws_scales(key),
                cache_folder=settings.cache,
                report=False,
                snapshots=self._snapshots(key, recipe),
            ),
            resume=True,
            quiet=settings.quiet,
        )

    def _recipe(self, key: str) -> Recipe:
        """Return a model's recipe for the training dataset, with the number of epochs in the settings, if any."""
        recipe, epochs = MODELS[key], self._settings.epochs
        if epochs is not None:
            recipe = replace(recipe, epochs=epochs, min_steps=0)
        return recipe.resolved(len(self._train_set))

    def _training(self, rows: Sequence[RowPlan]) -> dict[str, dict[str, TrainingOutcome]]:
        """Return, for each row, how the models were trained that determine its scores, from their logs."""
        keys = dict.fromkeys(row.scored_by for row in rows if row.scored_by)
        outcomes = {
            key: training_outcome(
                RunFolder(self.folder.model(key)).records(),
                self._recipe(key),
                self._train_set.labels,
                draws_scales=draws_scales(key),
            )
            for key in keys
        }
        found = {
            row.key: {key: outcome for key, outcome in outcomes.items() if key == row.scored_by and outcome}
            for row in rows
        }
        for fused in self._settings.fuse:
            found[fused.name] = {
                key: outcome for member in fused.members for key, outcome in found[member].items()
            }
        return found

    def _snapshots(self, key: str, recipe: Recipe) -> tuple[int, ...]:
        """Return the steps of a model to save for the figures that show score maps during training.

        Those are left out that an earlier version of freeloc has not saved.
        """
        if key.removesuffix(LETTER) != "weak":
            return ()
        folder, per_epoch = RunFolder(self.folder.model(key)), recipe.steps_per_epoch(len(self._train_set))
        steps = snapshot_iterations(recipe.epochs * per_epoch)
        snapshots = Snapshots.of(folder.snapshots, steps, epochs=recipe.epochs, steps_per_epoch=per_epoch)
        done = len(folder.records()) * per_epoch
        return tuple(step for step in steps if not done or step > done or snapshots.file(step).is_file())

    def _features(self, dataset: Dataset, backbone: Backbone, pyramid: Pyramid) -> CachedFeatures:
        settings = self._settings
        network = compile_network(
            backbone, runtime=settings.runtime, precision=settings.precision, streams=None
        )
        paths = [sample.path for sample in dataset]
        return extract(paths, backbone, network, pyramid, cache_folder=settings.cache, quiet=settings.quiet)

    def _detect(self, row: RowPlan, boxes: BoxRows) -> Detections:
        detections = boxes.load(row, "")
        if detections is None:
            detections = boxes.detect()
            boxes.save(row, "", detections)
        return detections

    def _read(
        self, key: str, model: Model, boxes: BoxRows, rows: Sequence[RowPlan]
    ) -> tuple[dict[str, Predictions], dict[str, Detections]]:
        """Return the predictions and detections of a model's rows, from files if they are cached."""
        content = ModelFile.open(self.folder.model(key)).content_hash
        reader = boxes.reader
        cache_keys = {row.key: f"{content} {reader.key} {row.scales} {row.mode}" for row in point_rows(rows)}
        points: dict[str, Predictions | None] = {
            row.key: load_predictions(self.folder.row(row.file), row.key, row.mode, cache_keys[row.key])
            for row in point_rows(rows)
        }
        found = {row.key: boxes.load(row, content) for row in rows if row.box_method is not None}
        missing = {row.key: row for row in rows if points.get(row.key) is None and found.get(row.key) is None}
        if missing:
            readers = {
                row.key: point_reader(row, model) if row.box_method is None else boxes.box_reader(row, model)
                for row in missing.values()
            }
            scales = {scale for row in missing.values() for scale in row.scales}
            results = reader.read(key, model, scales, readers)
            for name, row in missing.items():
                if row.box_method is None:
                    predictions = points[name] = predictions_from(row, reader.sizes, results[name])
                    save_predictions(self.folder.row(row.file), predictions, row.mode, cache_keys[name])
                else:
                    detections = found[name] = Detections.concatenate(results[name])
                    boxes.save(row, content, detections)
        return (
            {name: item for name, item in points.items() if item is not None},
            {name: item for name, item in found.items() if item is not None},
        )

    def _evolution(self, row: RowPlan, reader: MapReader) -> Evolution:
        """Compute score maps of a few training images in the snapshots of the model of a row."""

        def reader_of(images: Dataset) -> MapReader:
            pyramid = row.pyramid.with_scales((EVOLUTION_SCALE,))
            features = self._features(images, reader.backbone, pyramid)
            return replace(reader, features=features, sizes=images.image_sizes())

        folder = RunFolder(self.folder.model(str(row.model)))
        return read_evolution(folder.model, folder.snapshots, _without_boxes(self._train_set), reader_of)

    def _center(self, weak: Predictions) -> Predictions:
        """Return predictions that place every point at the image center, scored as in the row "weak"."""
        points = center_points(weak.sizes, len(self._val_set.classes))
        responses = weak.scores.astype(np.float32)
        return replace(weak, name="center", points={"paper": points}, responses={"paper": responses})

    def _result(
        self,
        rows: Sequence[RowPlan],
        predictions: Mapping[str, Predictions],
        detections: Mapping[str, Detections],
        annotations: Annotations | None,
    ) -> StudyResult:
        data = self._val_set
        training = self._training(rows)
        measured = [
            replace(
                MeasuredRow(row, {}, {}, {})
                if annotations is None
                else measure_boxes(row, detections[row.key], annotations, self.options)
                if row.key in detections
                else measure_points(row, predictions[row.key], annotations, self.options),
                training=training.get(row.key, {}),
            )
            for row in rows
        ]
        compared = compare_rows(measured, self.options)
        by_key = {row.plan.key: row for row in compared}
        positives = tuple(int(count) for count in (data.labels == PRESENT).sum(axis=0))
        converged = {key: row for key, row in by_key.items() if row.converged and row.metrics}
        audit = audit_classes(converged, data.classes, positives, self.options) if "weak" in converged else ()
        result = StudyResult(
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
            train_images=len(self._train_set),
        )
        paper = compare_with_paper(
            PUBLISHED_CLASSES.get(self.study.name, ()),
            by_key,
            data.classes,
            self.options,
            same_images=result.is_complete,
        )
        return replace(result, paper=paper)


def _check_datasets(train_set: Dataset, val_set: Dataset) -> None:
    """Check that both datasets have the same classes, and that evaluation has boxes, or no labels at all.

    Raises:
        DatasetError: they do not.
    """
    if val_set.classes != train_set.classes:
        raise DatasetError(
            f"{train_set.name} has the classes {', '.join(train_set.classes)} but {val_set.name} has "
            f"{', '.join(val_set.classes)}: use splits with the same classes in the same order"
        )
    if not val_set.has_labels:
        return
    check_evaluable(val_set, {train_set.name: train_set.classes})
    ground_truth_of(val_set)


def _without_boxes(dataset: Dataset) -> Dataset:
    """Return a copy of the dataset without boxes, so that training uses only tags."""
    return replace(dataset, samples=tuple(replace(sample, boxes=None) for sample in dataset))


def _describe(recipe: Recipe, any_scale: bool) -> str:
    scales = (" to " if any_scale else ", ").join(f"{scale:g}" for scale in recipe.scales)
    return f"recipe {recipe.name}, {recipe.pooling} pooling, {recipe.epochs} epochs at scales {scales}"
