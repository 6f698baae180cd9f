"""A sample of a manifest as the report sees it, for the tests of its charts."""

from dataclasses import replace
from typing import Any

from geosr_lake.report.members import Member


def member(split: str = "train", **change: Any) -> Member:
    """An urban sample of 600 m, with what a test wants otherwise."""
    plain = Member(
        sample_id="smp-1", role="sample", rank=0, stratum="urban", split=split, size_m=600,
        lon=0.0, lat=0.0, footprint_wkb=b"", gap_s=0.0, lr_scene_id="l", hr_scene_id="h",
        lr=None, hr=None, lr_cloud_frac=None, hr_cloud_frac=None, measured=None,
    )  # fmt: skip
    return replace(plain, **change)
