"""Sites fall on the pixel edges of real items, whatever their resolution."""

from collections import Counter
from pathlib import Path

from geosr_lake.lake import Lake
from geosr_lake.scenes.ingest import ingest
from geosr_lake.sensors.tasks import MODIS_LANDSAT8, S2_NAIP

FILES = (
    "naip_colorado_2019_2022.parquet",
    "naip_alabama_florida_2011_2023.ndjson.gz",
    "sentinel2_colorado_2024.parquet",
    "landsat_colorado_100.parquet",
    "landsat_colorado_more.ndjson.gz",
)


def on_the_grid(value_m: float, pixel_m: float) -> bool:
    return abs(value_m / pixel_m - round(value_m / pixel_m)) < 1e-3


def test_every_real_item_has_its_pixel_edges_where_sites_have_theirs(
    real_data: Path, tmp_path: Path
) -> None:
    """All of them align: 10,883 photographs, 1,000 Sentinel-2 and 193 Landsat scenes."""
    lake = Lake.create(tmp_path / "lake")
    ingest(lake, [real_data / "items" / name for name in FILES])
    lake.refresh()
    found: Counter[tuple[str, bool]] = Counter()
    for row in lake.arrow("scenes", columns=["sensor", "transform"]).to_pylist():
        task = MODIS_LANDSAT8 if row["sensor"] == "landsat" else S2_NAIP
        a, b, west, d, e, north = row["transform"][:6]
        assert (b, d) == (0.0, 0.0)
        edges = [(west, a), (north, -e)]
        aligned = all(on_the_grid(v - task.grid_offset_m, pixel) for v, pixel in edges)
        # A site is a whole number of pixels wide.
        aligned &= on_the_grid(task.site_size_m, a)
        found[row["sensor"], aligned] += 1
    assert found == {("naip", True): 10_883, ("sentinel2", True): 1_000, ("landsat", True): 193}
