from .datasets.checks.check import check as check
from .datasets.open_dataset import open_dataset as open_dataset
from .datasets.options import DatasetChecks as DatasetChecks
from .errors import (
    BackboneError as BackboneError,
)
from .errors import (
    ConfigurationError as ConfigurationError,
)
from .errors import (
    DatasetError as DatasetError,
)
from .errors import (
    FreelocError as FreelocError,
)
from .errors import (
    ImageError as ImageError,
)
from .errors import (
    MissingDependencyError as MissingDependencyError,
)
from .errors import (
    MissingFileError as MissingFileError,
)
from .errors import (
    ModelError as ModelError,
)
from .errors import (
    OutputError as OutputError,
)
from .errors import (
    ResourceError as ResourceError,
)
from .errors import (
    TrainingError as TrainingError,
)
from .evaluation.collect import collect as collect
from .evaluation.evaluate import evaluate as evaluate
from .evaluation.options import EvaluationOptions as EvaluationOptions
from .features.list_backbones import ListedBackbone as ListedBackbone
from .features.list_backbones import backbones as backbones
from .geometry.box import Box as Box
from .inference.localizer import Localizer as Localizer
from .inference.options import LocalizerOptions as LocalizerOptions
from .inference.peaks import Peak as Peak
from .inference.result import ClassLocation as ClassLocation
from .inference.result import Localization as Localization
from .models.card import ModelCard as ModelCard
from .models.catalog import list_models as list_models
from .models.registry import find_model as find_model
from .posttraining.calibrate import calibrate as calibrate
from .posttraining.export.export_model import export_model as export_model
from .posttraining.quantize import quantize as quantize
from .posttraining.release import release as release
from .prediction.convert import convert as convert
from .prediction.predict_files import PredictionOptions as PredictionOptions
from .prediction.predict_files import predict_files as predict_files
from .training.pretraining.pretrain import PretrainingResult as PretrainingResult
from .training.pretraining.pretrain import pretrain as pretrain
from .training.pretraining.settings import PretrainingSettings as PretrainingSettings
from .training.recipe import Recipe as Recipe
from .training.settings import TrainingSettings as TrainingSettings
from .training.suspects import Suspect as Suspect
from .training.suspects import find_suspects as find_suspects
from .training.train import train as train
from .visualization.notebook import show as show
from .writers.data_frame import to_pandas as to_pandas

__version__: str
