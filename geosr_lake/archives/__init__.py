"""Archives: files of STAC items in, canonical columns out.

`sources` finds the files and cuts them into units of work, `normalise` turns the items of a unit
into rows of the table `items`, one module a sensor knows its dialects. No Spark here.
"""

from geosr_lake.archives.bulk.normalise import normalise_rows, normalise_texts
from geosr_lake.archives.normalise import normalise
from geosr_lake.archives.parquet import Rows
from geosr_lake.archives.record import Record
from geosr_lake.archives.sources import (
    Survey,
    Unit,
    find_files,
    first_records,
    plan_units,
    read_offered,
    read_unit,
    survey,
)

__all__ = [
    "Record",
    "Rows",
    "Survey",
    "Unit",
    "find_files",
    "first_records",
    "normalise",
    "normalise_rows",
    "normalise_texts",
    "plan_units",
    "read_offered",
    "read_unit",
    "survey",
]
