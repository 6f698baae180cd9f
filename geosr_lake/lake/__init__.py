"""The lake: Delta tables, the commits that tie their versions together, and SQL over them."""

from geosr_lake.lake.handle import Lake
from geosr_lake.lake.progress import Progress

__all__ = ["Lake", "Progress"]
