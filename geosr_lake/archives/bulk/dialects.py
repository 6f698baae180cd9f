"""The dialects that can be read in columns, in the order in which they are asked.

Each module has `TEXTS`, `NUMBERS` and `FLAGS` (the properties that it reads), `ASSET_KEYS` (the
assets), `GRID_KEYS` (those of them whose pixel grid counts), `ALL_ASSETS` (whether every asset of
an item must be known), `recognises`, which tells the plain items of the dialect, and `read`, which
clears the marks of those that are not plain after all.
"""

from types import ModuleType

from geosr_lake.archives.bulk import sentinel2

DIALECTS: tuple[ModuleType, ...] = (sentinel2,)
