"""The part of a run after feature extraction: train the model and write all files."""

from __future__ import annotations

import time
from contextlib import nullcontext

import numpy as np

from freeloc.datasets.dataset import ABSENT, Labels
from freeloc.errors import OutputError
from freeloc.io.progress import print_status
from freeloc.io.stages import current_stages, describe_seconds
from freeloc.models.header import ModelHeader
from freeloc.models.model import Model
from freeloc.nn.pooling.registry import prediction_pooling
from freeloc.training.best_epoch import BestEpoch
from freeloc.training.box_threshold import fit_box_threshold
from freeloc.training.checkpoint import Checkpoint
from freeloc.training.curve import write_curve
from freeloc.training.device import share_cores
from freeloc.training.divergence import check_model
from freeloc.training.epoch_choice import explain_choice
from freeloc.training.manifest import describe_images, make_manifest
from freeloc.training.missing_tags import ignore_missing_tags
from freeloc.training.preparation import PreparedRun
from freeloc.training.run_folder import RunFolder
from freeloc.training.snapshots import Snapshots
from freeloc.training.trainable_model import TrainableModel
from freeloc.training.trainer import EpochRecord, Trainer
from freeloc.training.validation import Validation
from freeloc.training.warm_start import measure_features, warm_start

__all__ = ["TrainingRun"]


class TrainingRun:
    """Trains the model of a prepared run and writes all files.

    It also serves as the `freeloc.training.trainer.TrainingObserver` of its own trainer.

    Args:
        prepared: the prepared run, with dataset, settings and backbone.
        trainable: the weights to train.
        folder: the run folder.
        snapshots: snapshots to write.
        validation: the validation images, if any.
        started: start time of the run, measured by `time.monotonic`.
        quiet: whether to print nothing.
    """

    def __init__(
        self,
        prepared: PreparedRun,
        trainable: TrainableModel,
        folder: RunFolder,
        snapshots: Snapshots,
        *,
        validation: Validation | None,
        started: float,
        quiet: bool,
    ) -> None:
        self._prepared = prepared
        self._trainable = trainable
        self._folder = folder
        self._snapshots = snapshots
        self._validation = validation
        self._best: BestEpoch | None = None
        self._quiet = quiet
        self._resumed = False
        self._started = started
        self._extracted = time.monotonic()

    def train(self, checkpoint: Checkpoint | None) -> Model:
        """Train to the end of the recipe, from the beginning or from a checkpoint, and write the model.

        Raises:
            TrainingError: training diverged.
            OutputError: a file cannot be written.
        """
        prepared, trainable = self._prepared, self._trainable
        settings, labels = prepared.settings, self._labels()
        dataset = prepared.dataset
        if labels is not dataset.labels:
            dataset = dataset.with_labels(labels)
        trainer = Trainer(
            trainable.source,
            labels,
            trainable.step,
            trainable.optimizer,
            settings.recipe,
            settings.seed,
        )
        # If a frozen backbone runs in every epoch, it accounts for most of the computation.
        backbone_dominates = (
            not settings.cache_features and prepared.split.above is None and prepared.device.type == "cpu"
        )
        with share_cores(prepared.network.threads) if backbone_dominates else nullcontext():
            if checkpoint is None:
                self._begin(labels)
            else:
                self._resumed = True
                self._best = checkpoint.best
                checkpoint.restore(trainable.head, trainable.optimizer, trainable.backbone_weights)
            epochs_done = 0 if checkpoint is None else checkpoint.epochs_done
            if not self._should_stop(epochs_done):
                trainer.fit(first_epoch=epochs_done, observer=self, quiet=self._quiet)
        if self._best is not None:
            self._best.restore(trainable.head, trainable.backbone_weights)
        model = self._model()
        box_threshold = fit_box_threshold(
            trainable.head_step,
            trainable.features,
            dataset,
            [info.size for info in prepared.image_info],
            prepared.backbone.layout,
            settings.recipe,
            quiet=self._quiet,
        )
        model = model.with_header(box_threshold=box_threshold)
        self._save(model)
        for sentence in explain_choice(self._folder.records(), settings.recipe.epochs, settings.patience):
            self._print(sentence[:1].lower() + sentence[1:].removesuffix("."))
        self._print(f"wrote {self._folder.model}")
        return model

    def _save(self, model: Model) -> None:
        """Write the model; if that fails, say that the training is not lost."""
        try:
            self._folder.save_model(model)
        except OutputError as error:
            raise OutputError(
                f"{error}; all epochs are stored in {self._folder.checkpoint.name}: free some space, and resume "
                "the run to write the model",
                path=error.path,
                parameter="resume",
            ) from error

    def after_step(self, steps: int) -> None:
        """Write a snapshot if one is requested for this step."""
        self._snapshots.write(steps, lambda: self._model(steps), quiet=self._quiet)

    def after_epoch(self, record: EpochRecord) -> bool:
        """Validate; write the log, the curve and the checkpoint; return whether to stop training."""
        trainable = self._trainable
        if self._validation is not None:
            record = record.with_validation(self._validation.measure(trainable.head_step))
        is_best = self._keep_best(record)
        self._folder.log(record)
        if self._prepared.settings.report:
            write_curve(self._folder)
        self._tell(record, is_best=is_best)
        checkpoint = Checkpoint.of(
            record.epoch,
            self._prepared.setup,
            trainable.head,
            trainable.optimizer,
            trainable.backbone_weights,
            self._best,
        )
        checkpoint.save(self._folder.checkpoint)
        stop = self._should_stop(record.epoch)
        if stop and record.epoch < self._prepared.settings.recipe.epochs:
            self._print(
                f"stopped after epoch {record.epoch}: the mAP has been lower for "
                f"{self._prepared.settings.patience} epochs"
            )
        return stop

    def _keep_best(self, record: EpochRecord) -> bool:
        """Keep the weights of an epoch if it is the best one so far; return whether it is."""
        result, trainable = record.validation, self._trainable
        if result is None or not (self._best is None or self._best.is_replaced_by(result)):
            return False
        self._best = BestEpoch.of(record.epoch, result, trainable.head, trainable.backbone_weights)
        return True

    def _should_stop(self, epochs_done: int) -> bool:
        """Return whether the mAP has been lower for too long; the last snapshot is written in any case."""
        patience, snapshots = self._prepared.settings.patience, self._snapshots
        if self._best is None or not patience or epochs_done - self._best.epoch < patience:
            return False
        return epochs_done * snapshots.steps_per_epoch >= max(snapshots.steps, default=0)

    def _tell(self, record: EpochRecord, *, is_best: bool) -> None:
        if self._quiet:
            return
        line = f"epoch {record.epoch}: loss {record.loss:.4f}"
        note = f"loss {record.loss:.3f}"
        if record.validation is not None:
            quality = f"mAP {100 * record.validation.mean_ap:.1f}"
            line += f", validation loss {record.validation.loss:.4f}, {quality}{' (best)' if is_best else ''}"
            note += f", {quality}"
        line += f", {record.seconds:.1f} s"
        stages = current_stages()
        is_last = record.epoch == self._prepared.settings.recipe.epochs
        left = None if stages is None or is_last else stages.seconds_left
        if left is not None:
            line += f", about {describe_seconds(left)} left"
        if stages is None:
            print_status(line)
        else:
            stages.report(line, note)

    def _labels(self) -> Labels:
        """Return the labels to train on, which are those of the dataset unless missing tags are expected."""
        prepared, trainable = self._prepared, self._trainable
        labels = prepared.dataset.labels
        if prepared.settings.recipe.missing_tags == "none":
            return labels
        statistics = measure_features(
            trainable.features, trainable.head_step.projection, device=prepared.device, quiet=self._quiet
        )
        features = ((statistics.means - statistics.mean) * statistics.gain).numpy().astype(np.float64)
        changed = ignore_missing_tags(features, labels, prepared.settings.seed)
        count, absent = np.count_nonzero(changed != labels), np.count_nonzero(labels == ABSENT)
        self._print(
            f"missing tags: {count} of {absent} classes without a tag are ignored, because the images probably "
            "have them"
        )
        return changed

    def _begin(self, labels: Labels) -> None:
        trainable, settings = self._trainable, self._prepared.settings
        if settings.recipe.warm_start_epochs:
            warm_start(
                trainable.head_step,
                trainable.features,
                labels,
                settings.recipe,
                seed=settings.seed,
                quiet=self._quiet,
            )
        self.after_step(0)

    def _model(self, step: int | None = None) -> Model:
        """Return the current model; for a snapshot, ``step`` is the number of completed steps.

        Raises:
            TrainingError: training diverged.
        """
        prepared, recipe, backbone = self._prepared, self._prepared.settings.recipe, self._prepared.backbone
        weights = self._trainable.backbone_weights
        changes = {key: value.detach().cpu().clone() for key, value in weights.items()}
        trained_backbone = backbone.with_weights(changes) if changes else backbone
        timings = {
            "features_seconds": round(self._extracted - self._started, 2),
            "training_seconds": round(time.monotonic() - self._extracted, 2),
        }
        header = ModelHeader(
            backbone=backbone.name,
            backbone_fingerprint=trained_backbone.fingerprint,
            backbone_base=backbone.fingerprint if changes else None,
            classes=prepared.dataset.classes,
            head=self._trainable.head.settings,
            scales=recipe.test_scales,
            padding=recipe.padding,
            resize=recipe.resize,
            pooling=prediction_pooling(recipe.pooling),
            layout=backbone.layout,
            pad_color=backbone.pad_color,
            manifest=make_manifest(
                prepared.setup,
                prepared.dataset,
                prepared.image_info,
                trained_backbone,
                timings,
                resumed=self._resumed,
                step=step,
                validation=self._describe_validation(),
            ),
        )
        model = Model(header, self._trainable.head.folded(), changes)
        check_model(model, self._trainable.head_step, self._trainable.features, prepared.dataset, recipe)
        return model

    def _describe_validation(self) -> dict[str, object] | None:
        """Return what the manifest says about the validation images and the best epoch so far."""
        images = self._prepared.validation
        if images is None:
            return None
        description: dict[str, object] = describe_images(images.dataset, images.fingerprint)
        if self._best is not None:
            result = self._best.result
            description |= {
                "best_epoch": self._best.epoch,
                "mean_ap": result.mean_ap,
                "loss": result.loss,
            }
        return description

    def _print(self, text: str) -> None:
        if not self._quiet:
            print_status(text)
