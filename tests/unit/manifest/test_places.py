"""Where sites of a subset may lie: bounds, extents, chips, regions."""

from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely
from manifest_world import SOUTH_M, WEST_M, boxed, lonlat_box, recipe
from pyproj import Transformer

from geosr_lake.errors import UsageError
from geosr_lake.manifest.places import Files, Places, read_chips
from geosr_lake.manifest.polygons import read_polygons
from geosr_lake.manifest.sites import squares
from geosr_lake.pairs.area import area_m2
from geosr_lake.resources import resource_dir
from geosr_lake.sensors.tasks import MODIS_LANDSAT8, S2_NAIP

CELLS = boxed(S2_NAIP, (-105.25, 39.74, -105.15, 39.80))


def save(path: Path, shapes: list[Any], crs: int = 4326, **columns: Any) -> Path:
    geopandas.GeoDataFrame(columns, geometry=shapes, crs=crs).to_parquet(path)
    return path


def places(files: Files, *subsets: dict[str, Any]) -> Places:
    rule = recipe(quotas=None, subsets=[{"quotas": {"natural": 1}} | s for s in subsets]).select
    assert rule is not None
    return Places(S2_NAIP, rule, files)


def test_without_bounds_a_site_may_lie_anywhere() -> None:
    found = places(Files(), {"name": "sr"})
    assert found.inside(CELLS, 0).all()
    assert found.on_grid == [0]
    assert found.versions == {}


def test_frames_lie_wholly_inside_bounds_and_extents(tmp_path: Path) -> None:
    extent = shapely.Polygon([(-105.24, 39.74), (-105.16, 39.75), (-105.2, 39.8)])
    hole = shapely.box(-105.205, 39.76, -105.2, 39.765)
    path = save(tmp_path / "e.parquet", [shapely.difference(extent, hole)])
    box = (-105.22, 39.0, -105.0, 39.79)
    found = places(
        Files(extents={"a": path}), {"name": "a", "bounds": box}, {"name": "b", "bounds": box}
    )
    frames = squares(CELLS, 600)
    area = shapely.intersection(shapely.box(*box), shapely.difference(extent, hole))
    assert 5 < found.inside(CELLS, 0).sum() < found.inside(CELLS, 1).sum() < len(CELLS)
    for i, frame in enumerate(frames):
        assert found.inside(CELLS, 0)[i] == area.covers(frame)
        assert found.inside(CELLS, 1)[i] == shapely.box(*box).covers(frame)
    assert list(found.versions) == ["extent a"]
    assert len(found.versions["extent a"]) == 64


def test_an_outline_that_ships_holds_unless_an_extent_is_given(tmp_path: Path) -> None:
    """Of both sides of Lake Champlain one is in Vermont, and all is in the United States."""
    burlington, plattsburgh = (-73.0, 44.45, -72.95, 44.48), (-73.7, 44.6, -73.65, 44.63)
    cells = boxed(S2_NAIP, burlington, plattsburgh)
    subsets = [{"name": name, "extent": name} for name in ("vermont", "conus")]
    found = places(Files(), *subsets)
    assert found.inside(cells, 0).tolist() == (cells.lon > -73.5).tolist()
    assert found.inside(cells, 1).all()
    assert list(found.versions) == ["extent conus", "extent vermont"]
    given = save(tmp_path / "e.parquet", [shapely.box(*plattsburgh)])
    other = places(Files(extents={"vermont": given}), *subsets)
    assert (cells.lon[other.inside(cells, 0)] < -73.5).all()
    assert other.inside(cells, 0).any()
    assert other.versions["extent vermont"] != found.versions["extent vermont"]
    assert other.versions["extent conus"] == found.versions["extent conus"]


@pytest.fixture(scope="module")
def outlines() -> dict[str, shapely.Geometry]:
    """What ships, by name."""
    folder = resource_dir("catalog") / "outlines"
    return {path.stem: read_polygons(path).shapes[0] for path in folder.glob("*.geojson")}


def test_the_outlines_hold_their_places_and_no_neighbours(
    outlines: dict[str, shapely.Geometry],
) -> None:
    conus, vermont = outlines["conus"], outlines["vermont"]
    inside = {
        "Miami": (-80.3, 25.8),
        "Seattle": (-122.2, 47.6),
        "San Diego": (-117.0, 32.8),
        "Detroit": (-83.2, 42.4),
        "Bangor": (-68.8, 44.8),
        "Rutland": (-72.97, 43.61),
        "Richmond": (-77.5, 37.5),
        "Charleston": (-81.6, 38.35),
    }
    outside = {
        "Tijuana": (-117.0, 32.5),
        "Windsor": (-82.98, 42.28),
        "Vancouver": (-123.1, 49.25),
        "Juneau": (-134.4, 58.3),
        "Havana": (-82.4, 23.1),
        "Gulf of Mexico": (-90.0, 28.0),
    }
    assert [name for name, at in inside.items() if not conus.contains(shapely.Point(at))] == []
    assert [name for name, at in outside.items() if conus.contains(shapely.Point(at))] == []
    around = {"Hanover": (-72.29, 43.70), "Albany": (-73.76, 42.65), "Sherbrooke": (-71.9, 45.4)}
    assert vermont.contains(shapely.Point(inside["Rutland"]))
    assert not any(vermont.contains(shapely.Point(at)) for at in around.values())
    assert conus.is_valid
    assert vermont.is_valid
    assert area_m2(np.array([vermont, conus])) / 1e6 == pytest.approx([23_600, 7_800_000], rel=0.05)


def test_the_outline_agrees_with_another_one(
    outlines: dict[str, shapely.Geometry], real_data: Path
) -> None:
    """Natural Earth's, 1:110 million."""
    (path,) = (real_data / "strata" / "naturalearth_lowres").glob("*.shp")
    countries = geopandas.read_file(path)
    states = countries[countries.name == "United States of America"].geometry.iloc[0]
    lower = max(shapely.get_parts(states), key=lambda part: part.area)
    conus = outlines["conus"]
    assert lower.intersection(conus).area / conus.area > 0.995
    assert lower.intersection(conus).area / lower.area > 0.95


def test_a_frame_over_the_edge_of_two_polygons_is_inside_of_both_together(tmp_path: Path) -> None:
    middle = -105.2
    halves = [shapely.box(-106, 39, middle, 40), shapely.box(middle, 39, -105, 40)]
    found = places(Files(extents={"a": save(tmp_path / "e.parquet", halves)}), {"name": "a"})
    assert found.inside(CELLS, 0).all()


def test_bounds_may_go_over_180_degrees() -> None:
    cells = boxed(S2_NAIP, (179.8, -16.9, 179.99, -16.8), (-179.99, -16.9, -179.8, -16.8))
    found = places(Files(), {"name": "a", "bounds": (179.9, -17, -179.9, -16)})
    inside = found.inside(cells, 0)
    assert 0 < inside.sum() < len(cells)
    assert (np.abs(cells.lon[inside]) > 179.9).all()


def test_boxes_that_meet_an_area_are_worth_a_look() -> None:
    boxes = np.array([[-106, 39, -105, 40], [-100, 30, -99, 31], [-105, 40, -104, 41]], float)
    found = places(Files(), {"name": "a", "bounds": (-105.5, 39.5, -105, 40)}, {"name": "b"})
    assert found.reached(boxes, [0]).tolist() == [True, False, True]
    assert found.reached(boxes, [0, 1]).all()
    assert not found.reached(boxes, []).any()


def test_bands_of_latitude_and_regions(tmp_path: Path) -> None:
    edges = [39.74, 39.76, 39.78]
    west, east = shapely.box(-106, 39, -105.2, 40), shapely.box(-105.21, 39, -105, 40)
    far = shapely.box(0, 0, 1, 1)
    names = ["prairie", " hills ", "tundra"]
    path = save(tmp_path / "r.parquet", [west, east, far], ECO_NAME=names)
    found = places(
        Files(ecoregions=path),
        {"name": "a", "spread": {"latitudes": edges}},
        {"name": "b", "spread": {"ecoregions": ["prairie", "tundra"]}},
        {"name": "c", "spread": {"months": [5]}},
        {"name": "d"},
    )
    for lat, band in zip(CELLS.lat.tolist(), found.bands(CELLS, 0), strict=True):
        expected = None
        if edges[0] <= lat < edges[1]:
            expected = "39.74 to 39.76"
        elif edges[1] <= lat < edges[2]:
            expected = "39.76 to 39.78"
        assert band == expected
    # Of two regions that hold a site the least name counts: hills, which are not asked for.
    for lon, band in zip(CELLS.lon.tolist(), found.bands(CELLS, 1), strict=True):
        assert band == ("prairie" if lon < -105.21 else None)
    assert set(found.bands(CELLS, 2)) == set(found.bands(CELLS, 3)) == {None}


@pytest.mark.parametrize("crs", [32613, 26913, 5070])
def test_a_frame_is_centred_on_its_chip_and_on_the_grids_pixels(tmp_path: Path, crs: int) -> None:
    rng = np.random.default_rng(3)
    corners = np.array([WEST_M, SOUTH_M]) + rng.uniform(0, 9_000, (40, 2))
    there = Transformer.from_crs(32613, crs, always_xy=True)
    centres = np.stack(there.transform(*(corners + 256).T), axis=1)
    chips = [shapely.box(x - 256, y - 256, x + 256, y + 256) for x, y in centres]
    cells, rows = read_chips(S2_NAIP, save(tmp_path / "c.parquet", chips, crs=crs))
    assert 38 <= len(cells) <= 40  # chips a few metres apart have one frame
    assert set(cells.epsg.tolist()) == {32613}
    assert (cells.x_m % 60 == 0).all()
    assert (cells.y_m % 60 == 0).all()
    for x, y in corners + 256:
        away = np.hypot(cells.x_m + 300 - x, cells.y_m + 300 - y).min()
        assert away <= 30 * 2**0.5 + 1
    # Each frame names its chip: of several the first.
    assert (abs(corners[rows] + 256 - 300 - np.stack([cells.x_m, cells.y_m], axis=1)) <= 31).all()
    assert len(set(rows.tolist())) == len(cells)
    # Each chip lies inside its frame, but for the skew of another CRS.
    frames = shapely.buffer(squares(cells, 600), 2e-4)
    turned = geopandas.GeoSeries(chips, crs=crs).to_crs(4326)
    assert all(shapely.covers(frames, chip).any() for chip in turned)


def test_chips_of_landsats_task_and_of_the_south(tmp_path: Path) -> None:
    north = lonlat_box(500_100, 4_400_100, 500_200, 4_400_200)
    south = lonlat_box(500_100, 6_000_100, 500_200, 6_000_200, epsg=32733)
    path = save(tmp_path / "c.parquet", [north, south])
    s2, landsat = (read_chips(task, path)[0] for task in (S2_NAIP, MODIS_LANDSAT8))
    assert sorted(s2.epsg.tolist()) == [32613, 32733]
    at = s2.epsg.tolist().index(32733)
    assert (s2.y_m[at] - 10_000_000) % 60 == 0
    assert sorted(landsat.epsg.tolist()) == [32613, 32633]
    assert (landsat.x_m % 30 == 15).all()
    assert (landsat.y_m % 30 == 15).all()


def test_equal_frames_come_once_and_none_give_none(tmp_path: Path) -> None:
    chip = lonlat_box(WEST_M, SOUTH_M, WEST_M + 512, SOUTH_M + 512)
    near = lonlat_box(WEST_M + 1, SOUTH_M, WEST_M + 513, SOUTH_M + 512)
    for chips, rows in (([chip, near], [0]), ([near, chip], [0]), ([], [])):
        cells, found = read_chips(S2_NAIP, save(tmp_path / "c.parquet", chips))
        assert len(cells) == len(rows)
        assert found.tolist() == rows


def test_a_chip_larger_than_a_frame_is_refused(tmp_path: Path) -> None:
    large = lonlat_box(WEST_M, SOUTH_M, WEST_M + 900, SOUTH_M + 900)
    with pytest.raises(UsageError, match="Row 0 is larger than a site of 600 m"):
        read_chips(S2_NAIP, save(tmp_path / "c.parquet", [large]))


@pytest.mark.parametrize(
    ("files", "subset", "says"),
    [
        ({"chips": {"x": 1}}, {}, "no subset 'x'"),
        ({"extents": {"x": 1}}, {}, "no subset 'x'"),
        ({"chips": {"a": 1}}, {}, "takes its sites from the grid"),
        ({}, {"spread": {"ecoregions": ["hills"]}}, "spread over ecoregions"),
    ],
)
def test_files_that_fit_no_subset_are_refused(
    tmp_path: Path, files: dict[str, Any], subset: dict[str, Any], says: str
) -> None:
    path = save(tmp_path / "f.parquet", [lonlat_box(WEST_M, SOUTH_M, WEST_M + 9, SOUTH_M + 9)])
    told = {kind: dict.fromkeys(of, path) for kind, of in files.items()}
    with pytest.raises(UsageError, match=says):
        places(Files(**told), {"name": "a"} | subset)


def test_a_region_that_the_file_lacks_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "r.parquet", [shapely.box(0, 0, 1, 1)], name=["prairie"])
    with pytest.raises(UsageError, match="no region 'prairy'") as caught:
        places(Files(ecoregions=path), {"name": "a", "spread": {"ecoregions": ["prairy"]}})
    assert "Did you mean 'prairie'?" in str(caught.value)


def test_chips_over_180_degrees_and_beyond_utm(tmp_path: Path) -> None:
    half = 0.002
    parts = [shapely.box(180 - half, 10, 180, 10 + 2 * half)]
    parts.append(shapely.box(-180, 10, -180 + half / 2, 10 + 2 * half))
    over = save(tmp_path / "o.parquet", [shapely.MultiPolygon(parts)])
    cells, _ = read_chips(S2_NAIP, over)
    assert cells.epsg.tolist() == [32660]
    assert abs(abs(cells.lon[0]) - 180) < 0.002
    assert cells.lat[0] == pytest.approx(10 + half, abs=0.001)
    polar = save(tmp_path / "p.parquet", [shapely.box(10, 84.5, 10.01, 84.501)])
    with pytest.raises(UsageError, match="Row 0 lies beyond 80 S or 84 N"):
        read_chips(S2_NAIP, polar)


def test_regions_without_names_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "r.parquet", [shapely.box(0, 0, 1, 1)], colour=["red"])
    with pytest.raises(UsageError, match="The regions have no name"):
        places(Files(ecoregions=path), {"name": "a"})
