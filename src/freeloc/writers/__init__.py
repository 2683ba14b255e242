"""What leaves the program as files: records and maps for other programs."""

from freeloc.writers.jsonlines import SCHEMA_VERSION, JsonLinesWriter, localization_record
from freeloc.writers.maps import output_names, write_maps

__all__ = ["SCHEMA_VERSION", "JsonLinesWriter", "localization_record", "output_names", "write_maps"]
