"""The dialects that can be read in columns, in the order in which they are asked.

Each module has `TEXTS`, `NUMBERS` and `FLAGS` (the properties that it reads), `GRID_KEYS` (the
assets whose pixel grid counts), `ROLES_OF` (how the ids of items begin whose assets' roles count),
`recognises`, which tells the plain items of the dialect, and `read`, which clears the marks of
those that are not plain after all.
"""

from types import ModuleType

from geosr_lake.archives.bulk import landsat, modis, naip, sentinel2

DIALECTS: tuple[ModuleType, ...] = (landsat, sentinel2, modis, naip)

_SHARED_TEXTS = ("license", "platform", "constellation", "proj:code")
_TIMES = ("datetime", "start_datetime", "end_datetime", "updated", "created")


def _all(name: str, *shared: str) -> tuple[str, ...]:
    """Return what the dialects have under a name, each once."""
    return tuple(dict.fromkeys([*shared, *(key for d in DIALECTS for key in getattr(d, name))]))


TEXTS = _all("TEXTS", *_SHARED_TEXTS, *_TIMES)
NUMBERS = _all("NUMBERS", "proj:epsg", "eo:cloud_cover", "view:sun_elevation")
FLAGS = _all("FLAGS")
GRID_KEYS = _all("GRID_KEYS")
ROLES_OF = _all("ROLES_OF")
