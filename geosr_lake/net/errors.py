"""Permanent failures of a source, told apart by type, each with a short stable code."""

from geosr_lake.errors import CorruptDataError, PermanentSourceError, UnsafeInputError


class MissingSourceError(PermanentSourceError):
    """There is no such file or object."""


class GridMismatchError(PermanentSourceError):
    """The raster is on a grid or in a CRS that cannot serve the sample."""


class MissingAssetError(PermanentSourceError):
    """The item has no href for a band or quality layer that the task needs."""


_CODES: tuple[tuple[type[PermanentSourceError], str], ...] = (
    (MissingSourceError, "source_missing"),
    (GridMismatchError, "grid_mismatch"),
    (MissingAssetError, "asset_missing"),
    (CorruptDataError, "source_corrupt"),
    (UnsafeInputError, "source_refused"),
)


def failure_code(error: PermanentSourceError) -> str:
    """Return the code under which a permanent failure is counted."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), "source_failed")
