"""Training from a catalog: torch and Zarr only, nothing of what built the catalog.

from geosr_lake.train import SRDataset
train = SRDataset("geosr-demo/lake/catalog", "s2_naip", "train", size="paper", crop=15)
train[0]["lr"].shape, train[0]["hr"].shape      # (12, 16, 16), (4, 256, 256)
"""

from geosr_lake.train.catalog import TaskRelease, open_catalog
from geosr_lake.train.dataset import Sample, SRDataset, batches, epoch_order

__all__ = ["SRDataset", "Sample", "TaskRelease", "batches", "epoch_order", "open_catalog"]
