"""Polygons of GeoParquet and GeoJSON come out in lon/lat; what is none is refused in words."""

import json
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely

from geosr_lake.errors import UsageError
from geosr_lake.manifest.polygons import read_polygons

BOXES = [shapely.box(-105.2, 40, -105.1, 40.1), shapely.box(-104.2, 39, -104.1, 39.1)]


def frame(**columns: Any) -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame(columns, geometry=BOXES, crs=4326)


def test_both_formats_give_the_same(tmp_path: Path) -> None:
    made = frame(name=["a", "b"], n=[1, None])
    made.to_parquet(tmp_path / "p.parquet")
    made.to_file(tmp_path / "p.geojson", driver="GeoJSON")
    for name in ("p.parquet", "p.geojson"):
        found = read_polygons(tmp_path / name)
        assert len(found) == 2
        assert shapely.equals(found.shapes, np.array(BOXES)).all()
        assert found.column(("title", "name")) == ["a", "b"]
        assert found.column(("title",)) is None


@pytest.mark.parametrize("suffix", ["parquet", "geojson"])
def test_other_crs_are_turned_to_lonlat(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"utm.{suffix}"
    utm = frame().to_crs(32613)
    if suffix == "parquet":
        utm.to_parquet(path)
    else:  # with the `crs` of before RFC 7946
        text = json.loads(utm.to_json(drop_id=True))
        text["crs"] = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32613"}}
        path.write_text(json.dumps(text))
    found = read_polygons(path).shapes
    assert np.abs(shapely.get_coordinates(found) - shapely.get_coordinates(BOXES)).max() < 1e-6


def test_one_feature_or_a_bare_geometry_is_enough(tmp_path: Path) -> None:
    geometry = json.loads(shapely.to_geojson(BOXES[0]))
    feature = {"type": "Feature", "geometry": geometry, "properties": None}
    for i, data in enumerate((geometry, feature)):
        path = tmp_path / f"{i}.json"
        path.write_text(json.dumps(data))
        assert shapely.equals(read_polygons(path).shapes, np.array(BOXES[:1])).all()


def test_a_ring_that_crosses_itself_is_mended(tmp_path: Path) -> None:
    bow = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    geopandas.GeoDataFrame(geometry=[bow], crs=4326).to_parquet(tmp_path / "bow.parquet")
    (shape,) = read_polygons(tmp_path / "bow.parquet").shapes
    assert shape.is_valid
    assert shape.area == pytest.approx(0.5)


def test_mixed_columns_become_texts(tmp_path: Path) -> None:
    geometry = json.loads(shapely.to_geojson(BOXES[0]))
    features = [
        {"type": "Feature", "geometry": geometry, "properties": {"id": value}}
        for value in (1, "x", None)
    ]
    path = tmp_path / "mixed.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    assert read_polygons(path).column(("id",)) == ["1", "x", None]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("gone.parquet", None, "no such file"),
        ("bad.parquet", "no parquet", "not a Parquet file"),
        ("bad.geojson", "{", "not GeoJSON"),
        ("list.geojson", "[1]", "not GeoJSON"),
        ("point.geojson", '{"type": "Point", "coordinates": [1, 2]}', "Row 0 has no polygon"),
        ("kind.geojson", '{"type": "Blob", "coordinates": [1, 2]}', "not GeoJSON|no polygon"),
        (
            "null.geojson",
            '{"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": null}]}',
            "no polygon|not GeoJSON",
        ),
    ],
)
def test_what_holds_no_polygons_is_refused(
    tmp_path: Path, name: str, text: str | None, says: str
) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=says) as caught:
        read_polygons(path)
    assert str(path) in str(caught.value)


def test_an_empty_collection_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "none.geojson"
    path.write_text('{"type": "FeatureCollection", "features": []}')
    assert len(read_polygons(path)) == 0
