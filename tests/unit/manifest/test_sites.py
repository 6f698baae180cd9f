"""Squares of ground: over zone edges and 180 degrees, and true to the curves of their edges."""

import shapely
from manifest_world import boxed
from pyproj import Transformer

from geosr_lake.manifest.sites import crosses_zone_edge, squares
from geosr_lake.sensors.tasks import MODIS_LANDSAT8, S2_NAIP


def test_crossing_a_zones_edge() -> None:
    strip = (-102.05, 40.0, -101.95, 40.05)
    cells = boxed(S2_NAIP, strip)
    crossing = crosses_zone_edge(cells, 600.0)
    west, _, east, _ = shapely.bounds(squares(cells, 600.0)).T
    assert (crossing == ((west < -102) & (east > -102))).all()
    assert crossing.any()
    inside = cells.take(~crossing)
    ground = squares(inside, 600.0)
    tree = shapely.STRtree(ground)
    a, b = tree.query(ground, predicate="intersects")
    common = shapely.area(shapely.intersection(ground[a], ground[b]))
    # Neighbours on the grid share an edge, whose two curves differ by rounding only.
    assert common[a != b].max() < 1e-6 * shapely.area(ground).min()


def test_over_180_degrees_a_square_has_two_parts() -> None:
    east, west = (boxed(S2_NAIP, (w, 10.0, w + 0.02, 10.02)) for w in (179.98, -180.0))
    ground = [*squares(east, 600.0), *squares(west, 600.0)]
    over = [shape for shape in ground if shape.geom_type == "MultiPolygon"]
    assert over
    for shape in over:
        assert sorted(round(part.bounds[0]) for part in shape.geoms) == [-180, 180]
    assert crosses_zone_edge(east, 600.0).any()


def test_a_margin_is_added_on_each_side() -> None:
    cells = boxed(S2_NAIP, (-105.0, 40.0, -104.98, 40.02))
    wide, plain = squares(cells, 600.0, margin_m=60.0), squares(cells, 600.0)
    assert shapely.contains_properly(wide, plain).all()
    to_utm = Transformer.from_crs(4326, 32613, always_xy=True)
    for shape, x, y in zip(wide, cells.x_m, cells.y_m, strict=True):
        back = shapely.transform(shape, to_utm.transform, interleaved=False)
        true = shapely.box(x - 60, y - 60, x + 660, y + 660)
        assert shapely.hausdorff_distance(back, true) < 0.01


def test_squares_follow_the_curve_of_their_edges() -> None:
    cells = boxed(MODIS_LANDSAT8, (-105.0, 59.5, -104.0, 60.0))
    coarse = squares(cells, 30_000.0)
    to_utm = Transformer.from_crs(4326, 32613, always_xy=True)
    for polygon, x, y in zip(coarse, cells.x_m, cells.y_m, strict=True):
        fine = shapely.segmentize(polygon, 1e-3)
        back = shapely.transform(fine, to_utm.transform, interleaved=False)
        true = shapely.box(x, y, x + 30_000, y + 30_000)
        assert shapely.hausdorff_distance(back, true) < 0.1
