"""What leaves the program: records and maps for other programs, and a few words for people."""

from freeloc.writers.console import StandardOutput
from freeloc.writers.jsonl import JsonLinesWriter
from freeloc.writers.npz_maps import write_maps
from freeloc.writers.output_names import output_names
from freeloc.writers.record import SCHEMA_VERSION, localization_record

__all__ = [
    "SCHEMA_VERSION",
    "JsonLinesWriter",
    "StandardOutput",
    "localization_record",
    "output_names",
    "write_maps",
]
