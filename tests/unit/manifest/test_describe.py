"""What is known of sites before any time: ground, land cover, block and split."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from manifest_world import SOUTH_M, URBAN, WEST_M, town_and_fields
from pyproj import Transformer

from geosr_lake.ids import site_id
from geosr_lake.manifest.describe import SITES, described
from geosr_lake.manifest.layer import LandCover
from geosr_lake.manifest.select import split_of
from geosr_lake.manifest.sites import Cells
from geosr_lake.recipe import Quotas, SelectRule, SplitRule, UrbanRule
from geosr_lake.sensors.tasks import S2_NAIP


def row_of_cells(x_m: list[int]) -> Cells:
    x, y = np.array(x_m), np.full(len(x_m), SOUTH_M)
    back = Transformer.from_crs(32613, 4326, always_xy=True)
    lon, lat = back.transform(x + 300.0, y + 300.0)
    return Cells(np.full(len(x), 32613), x, y, np.array(lon), np.array(lat))


def select_rule(**keys: Any) -> SelectRule:
    return SelectRule(
        **{
            "sites_per_tile_pair": 4,
            "urban": UrbanRule(layer="made", classes=(URBAN,), min_frac=0.25),
            "quotas": Quotas(urban=1, non_urban=1),
            "block_deg": 0.02,
        }
        | keys
    )


def line_of_sites(tmp_path: Path, rule: SelectRule, n: int = 40) -> list[dict[str, Any]]:
    """Sites of one row of the grid, described: 600 m each, eastwards."""
    cells = row_of_cells([WEST_M + 600 * i for i in range(n)])
    with LandCover(town_and_fields(tmp_path / "lc.tif")) as layer:
        found: list[dict[str, Any]] = described(cells, S2_NAIP, layer, rule).to_pylist()
    return found


def test_sites_near_another_split_are_marked(tmp_path: Path) -> None:
    """Blocks are 1,711 m wide here: along a line of sites each is held against all the others."""
    for buffer_m in (0.0, 500.0, 1_000.0):
        rule = select_rule(buffer_m=buffer_m)
        rows = line_of_sites(tmp_path, rule)
        assert {row["split"] for row in rows} == {"train", "val", "test"}
        assert any(row["split_edge"] for row in rows)
        kept = [row for row in rows if not row["split_edge"]]
        assert kept
        for a, b in combinations(kept, 2):
            if a["split"] != b["split"]:
                assert abs(a["x_m"] - b["x_m"]) - 600 >= buffer_m
        for row in rows:
            assert row["split"] == split_of(row["block"], rule.split, rule.seed)


def test_without_a_buffer_and_by_order_nothing_is_marked(tmp_path: Path) -> None:
    assert not any(row["split_edge"] for row in line_of_sites(tmp_path, select_rule()))
    paper = select_rule(buffer_m=9_000.0, split=SplitRule(mode="paper"))
    rows = line_of_sites(tmp_path, paper)
    assert not any(row["split_edge"] for row in rows)
    assert {row["split"] for row in rows} == {None}
    assert len({row["block"] for row in rows}) > 1


def test_a_site_is_described(tmp_path: Path) -> None:
    path = town_and_fields(tmp_path / "lc.tif")
    rule = select_rule()
    edge_m = WEST_M - 6_000 + 160 * 60  # where the town ends
    x_m = [edge_m - 600, edge_m - 60, edge_m]
    with LandCover(path) as layer:
        found = described(row_of_cells(x_m), S2_NAIP, layer, rule)
    assert found.schema == SITES
    rows = found.to_pylist()
    assert [row["stratum"] for row in rows] == ["urban", "non_urban", "non_urban"]
    assert rows[1]["cover"] == [{"class": 12, "frac": 0.9}, {"class": 13, "frac": 0.1}]
    for row in rows:
        ground = shapely.from_wkb(row["footprint_wkb"])
        assert ground.bounds == tuple(row[name] for name in ("xmin", "ymin", "xmax", "ymax"))
        assert ground.contains(shapely.Point(row["lon"], row["lat"]))
        assert row["size_m"] == 600
        assert row["site_id"] == site_id(600, 32613, row["x_m"], SOUTH_M)
        assert not row["zone_edge"]
    assert np.diff([row["lon"] for row in rows]).min() > 0
