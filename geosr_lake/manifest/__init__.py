"""The manifest stage: sites, candidates and their verdicts, strata, splits, the chosen samples."""

from geosr_lake.manifest.build import build
from geosr_lake.manifest.places import Files
from geosr_lake.manifest.summary import FunnelStep, ManifestSummary

__all__ = ["Files", "FunnelStep", "ManifestSummary", "build"]
