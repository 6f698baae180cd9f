"""Archive hosts: which sources may be opened, and how they are read.

No other part of the package opens a connection, and no other part opens a raster that an archive
named.
"""

from geosr_lake.net.formats import FORMATS, known
from geosr_lake.net.policy import LocalFile, RemoteFile, SourcePolicy
from geosr_lake.net.raster import Raster, identity, open_raster

__all__ = [
    "FORMATS",
    "LocalFile",
    "Raster",
    "RemoteFile",
    "SourcePolicy",
    "identity",
    "known",
    "open_raster",
]
