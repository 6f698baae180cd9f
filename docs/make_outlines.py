"""Make `catalog/outlines`, the outlines that recipes name, from the TopoJSON of us-atlas.

us-atlas 3.0.1 (npm; ISC licence) holds the cartographic boundary files of the US Census Bureau,
edition of 2017, which are in the public domain. Its file `states-10m.json` is the argument.
Outlines are made simpler by moving them inwards, so that what lies inside lies in the states.

    python docs/make_outlines.py states-10m.json
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import shapely

BEYOND = ("Alaska", "Hawaii", "Puerto Rico", "American Samoa", "Guam", "Islands")
INWARDS_DEG = 0.02
LEAST_DEG2 = 0.01
SOURCE = "US Census Bureau, cartographic boundary files, 2017 (public domain), as in us-atlas 3.0.1"
OUTLINES = Path(__file__).parents[1] / "catalog" / "outlines"


def states(topology: dict[str, Any]) -> dict[str, shapely.Geometry]:
    """Return the states' polygons, longitude and latitude, by name."""
    scale, shift = (np.array(topology["transform"][key]) for key in ("scale", "translate"))
    arcs = [np.cumsum(arc, axis=0) * scale + shift for arc in topology["arcs"]]

    def ring(numbers: list[int]) -> np.ndarray:
        # An arc that runs backwards is numbered by its complement.
        return np.concatenate([arcs[n] if n >= 0 else arcs[~n][::-1] for n in numbers])

    found = {}
    for state in topology["objects"]["states"]["geometries"]:
        parts = [state["arcs"]] if state["type"] == "Polygon" else state["arcs"]
        polygons = [shapely.Polygon(ring(p[0]), [ring(hole) for hole in p[1:]]) for p in parts]
        found[state["properties"]["name"]] = shapely.union_all(shapely.make_valid(polygons))
    return found


def simpler(shape: shapely.Geometry) -> shapely.Geometry:
    """Return a polygon inside of `shape`, of few vertices to a thousandth of a degree."""
    inner = shapely.simplify(shapely.buffer(shape, -INWARDS_DEG), INWARDS_DEG * 0.9)
    inner = shapely.set_precision(shapely.intersection(inner, shape), 0.001)
    parts = [part for part in shapely.get_parts(inner) if part.area >= LEAST_DEG2]
    return shapely.normalize(shapely.MultiPolygon(parts) if len(parts) > 1 else parts[0])


def main() -> None:
    """Write the outlines and say how much they hold."""
    of_name = states(json.loads(Path(sys.argv[1]).read_text()))
    lower = [shape for name, shape in of_name.items() if not any(part in name for part in BEYOND)]
    for name, shape in (("conus", shapely.union_all(lower)), ("vermont", of_name["Vermont"])):
        inner = simpler(shape)
        feature = {
            "type": "Feature",
            "properties": {"name": name, "source": SOURCE},
            "geometry": json.loads(shapely.to_geojson(inner)),
        }
        text = json.dumps({"type": "FeatureCollection", "features": [feature]})
        (OUTLINES / f"{name}.geojson").write_text(text + "\n")
        vertices, share = shapely.get_num_coordinates(inner), inner.area / shape.area
        sys.stdout.write(
            f"{name}: {vertices} vertices, {share:.1%} of the area, {len(text):,} characters\n"
        )


if __name__ == "__main__":
    main()
