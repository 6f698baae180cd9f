"""What Spark's Python workers do with Arrow rows, without Spark."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from manifest_world import SOUTH_M, URBAN, WEST_M, lonlat_box, town_and_fields

from geosr_lake.ids import digest, site_id
from geosr_lake.manifest.cover import LandCover
from geosr_lake.manifest.rows import DESCRIBED, FOUND, described, found_in_tile_pair
from geosr_lake.manifest.select import split_of
from geosr_lake.recipe import Quotas, SelectRule, SplitRule, UrbanRule
from geosr_lake.sensors.tasks import S2_NAIP

FULL = lonlat_box(WEST_M - 50, SOUTH_M - 50, WEST_M + 2_450, SOUTH_M + 1_850)
WEST = lonlat_box(WEST_M - 50, SOUTH_M - 50, WEST_M + 1_250, SOUTH_M + 1_850)


def meetings(*pairs: tuple[int, str, str]) -> pa.Table:
    return pa.table(
        {
            "lr_tile": ["13SED"] * len(pairs),
            "hr_tile": ["quad"] * len(pairs),
            "fp_index": pa.array([p[0] for p in pairs], pa.int32()),
            "lr_footprint_id": pa.array([p[1] for p in pairs], pa.string()),
            "hr_footprint_id": pa.array([p[2] for p in pairs], pa.string()),
        }
    )


def shapes(**geometry: shapely.Geometry) -> pa.Table:
    wkb = [shapely.to_wkb(g) for g in geometry.values()]
    return pa.table({"footprint_id": list(geometry), "footprint_wkb": wkb})


def test_the_sites_of_a_tile_pair() -> None:
    found = found_in_tile_pair(
        meetings((4, "full", "full"), (9, "west", "full")),
        shapes(full=FULL, west=WEST),
        S2_NAIP,
        seed=5,
        most=3,
    )
    assert found.schema == FOUND
    rows = found.to_pylist()
    assert len(rows) == 4 * 3
    for row in rows:
        assert row["site_id"] == site_id(600, row["epsg"], row["x_m"], row["y_m"])
        in_west = row["x_m"] < WEST_M + 1_200
        assert row["hits"] == ([4, 9] if in_west else [4])
    drawn = {row["site_id"] for row in rows if row["drawn"]}
    order = sorted((r["site_id"] for r in rows), key=lambda site: digest(("draw", 5, site)))
    assert drawn == set(order[:3])


def test_rows_of_pairs_in_any_order_give_the_same_sites() -> None:
    pairs = [(0, "full", "full"), (1, "west", "full"), (2, "west", "west")]
    ground = shapes(full=FULL, west=WEST)
    first = found_in_tile_pair(meetings(*pairs), ground, S2_NAIP, seed=1, most=4)
    second = found_in_tile_pair(meetings(*pairs[::-1]), ground, S2_NAIP, seed=1, most=4)
    assert first.equals(second)


def test_no_pairs_or_no_overlap_no_sites() -> None:
    assert found_in_tile_pair(meetings(), shapes(), S2_NAIP, 0, 3).num_rows == 0
    far = lonlat_box(WEST_M + 60_000, SOUTH_M, WEST_M + 70_000, SOUTH_M + 9_000)
    found = found_in_tile_pair(
        meetings((0, "full", "far")), shapes(full=FULL, far=far), S2_NAIP, 0, 3
    )
    assert found.num_rows == 0
    assert found.schema == FOUND


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
    x_m = [WEST_M + 600 * i for i in range(n)]
    batch = pa.record_batch(
        {
            "site_id": [site_id(600, 32613, x, SOUTH_M) for x in x_m],
            "epsg": pa.array([32613] * n, pa.int32()),
            "x_m": x_m,
            "y_m": [SOUTH_M] * n,
        }
    )
    with LandCover(town_and_fields(tmp_path / "lc.tif")) as layer:
        found: list[dict[str, Any]] = described(batch, 600.0, layer, rule).to_pylist()
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
    batch = pa.record_batch(
        {
            "site_id": [site_id(600, 32613, x, SOUTH_M) for x in x_m],
            "epsg": pa.array([32613] * 3, pa.int32()),
            "x_m": x_m,
            "y_m": [SOUTH_M] * 3,
        }
    )
    with LandCover(path) as layer:
        found = described(batch, 600.0, layer, rule)
    assert found.schema == DESCRIBED
    rows = found.to_pylist()
    assert [row["stratum"] for row in rows] == ["urban", "non_urban", "non_urban"]
    assert rows[1]["cover"] == [{"class": 12, "frac": 0.9}, {"class": 13, "frac": 0.1}]
    for row in rows:
        ground = shapely.from_wkb(row["footprint_wkb"])
        assert ground.bounds == tuple(row[name] for name in ("xmin", "ymin", "xmax", "ymax"))
        assert ground.contains(shapely.Point(row["lon"], row["lat"]))
        assert row["size_m"] == 600
        assert not row["zone_edge"]
    assert np.diff([row["lon"] for row in rows]).min() > 0
