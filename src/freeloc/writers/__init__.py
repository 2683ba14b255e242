"""What leaves the program: records and maps for other programs, and a few words for people."""

from freeloc.writers.jsonlines import SCHEMA_VERSION, JsonLinesWriter, StandardOutput, localization_record
from freeloc.writers.maps import output_names, write_maps

__all__ = [
    "SCHEMA_VERSION",
    "JsonLinesWriter",
    "StandardOutput",
    "localization_record",
    "output_names",
    "write_maps",
]
