"""Output formats: JSON records, score maps, overlays, and a short text summary."""

from freeloc.writers.base import Writer, WriterOptions
from freeloc.writers.image_record import ImageRecord
from freeloc.writers.npz_maps import write_maps
from freeloc.writers.output_names import output_names
from freeloc.writers.record import SCHEMA_VERSION, localization_record
from freeloc.writers.record_writer import CollectingWriter, RecordWriter
from freeloc.writers.registry import WRITERS, create_writers

__all__ = [
    "SCHEMA_VERSION",
    "WRITERS",
    "CollectingWriter",
    "ImageRecord",
    "RecordWriter",
    "Writer",
    "WriterOptions",
    "create_writers",
    "localization_record",
    "output_names",
    "write_maps",
]
