import re
from dataclasses import replace

import numpy as np
import pytest
from shapely import to_wkb
from shapely.geometry import MultiPolygon, Point, box

from geosr_lake.report import dots
from geosr_lake.report import map as site_map
from geosr_lake.report.dots import MAX_DOTS
from geosr_lake.report.map import MAX_SINGLE, Map
from geosr_lake.report.members import Member

EDGE_DEG = 0.006


def member(lon: float, lat: float, i: int = 0, **change: object) -> Member:
    square = box(lon - EDGE_DEG / 2, lat - EDGE_DEG / 2, lon + EDGE_DEG / 2, lat + EDGE_DEG / 2)
    plain = Member(
        sample_id=f"smp-{i}", role="sample", rank=i, stratum="urban", split="train", size_m=600,
        lon=lon, lat=lat, footprint_wkb=to_wkb(square), gap_s=0.0, lr_scene_id="l",
        hr_scene_id="h", lr=None, hr=None, lr_cloud_frac=None, hr_cloud_frac=None, measured=None,
    )  # fmt: skip
    return replace(plain, **change)  # type: ignore[arg-type]


def drawn(*members: Member, **more: object) -> Map:
    found = site_map.draw(members, **more)  # type: ignore[arg-type]
    assert found is not None
    return found


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path)]


def dotted(path: str) -> list[tuple[float, float]]:
    """Where the dots of a path stand, each told from the one before."""
    steps = re.findall(r"m(-?\d+) (-?\d+)h0", path)
    assert "".join(f"m{x} {y}h0" for x, y in steps) == path
    at: list[tuple[float, float]] = np.cumsum(np.array(steps, int).reshape(-1, 2), 0).tolist()
    return at


def test_a_manifest_without_members_has_no_map() -> None:
    assert site_map.draw([]) is None


def test_sites_lie_inside_the_frame_in_their_directions() -> None:
    west, east, north = member(-105.0, 39.0), member(-104.9, 39.0, 1), member(-105.0, 39.08, 2)
    found = drawn(west, east, north)
    marks = {mark.title.partition(":")[0]: mark for mark in found.marks}
    assert marks["smp-1"].x > marks["smp-0"].x
    assert marks["smp-2"].y < marks["smp-0"].y
    assert all(0 < m.x < found.width and 0 < m.y < found.height for m in found.marks)


def test_a_single_site_is_drawn_in_true_size() -> None:
    found = drawn(member(-105.0, 39.0))
    outline = found.marks[0].outline
    assert outline is not None
    xs = [x for x, _ in points(outline)]
    ys = [y for _, y in points(outline)]
    # The square's centre is the mark.
    assert (max(xs) + min(xs)) / 2 == pytest.approx(found.marks[0].x, abs=0.2)
    assert (max(ys) + min(ys)) / 2 == pytest.approx(found.marks[0].y, abs=0.2)


def test_sites_too_small_to_see_are_marks_alone() -> None:
    found = drawn(member(-105.0, 39.0), member(-100.0, 41.0, 1))
    assert [mark.outline for mark in found.marks] == [None, None]


def test_marks_carry_split_stratum_and_role() -> None:
    found = drawn(member(-105.0, 39.0, split="test", stratum="non_urban", role="reserve"))
    mark = found.marks[0]
    assert (mark.split, mark.stratum, mark.role) == ("test", "non_urban", "reserve")
    assert "39.000°N 105.000°W" in mark.title


def test_many_sites_become_one_path_a_kind() -> None:
    members = [
        member(-105 + i * 0.01, 39.0, i, split=("train", "test")[i % 2])
        for i in range(MAX_SINGLE + 1)
    ]
    found = drawn(*members)
    assert found.marks == ()
    assert [(c.split, c.stratum) for c in found.clouds] == [("train", "urban"), ("test", "urban")]
    assert [(c.split, c.stratum) for c in found.by_stratum] == [("", "urban")]
    assert all(0 < len(dotted(c.path)) <= found.width for c in found.clouds)


def test_footprints_are_cut_to_the_frame() -> None:
    globe = to_wkb(box(-180, -80, 180, 80))
    near = to_wkb(box(-105.02, 38.98, -104.98, 39.02))
    far = to_wkb(box(10, 10, 11, 11))
    found = drawn(member(-105.0, 39.0), lr_footprints=[globe, far], hr_footprints=[near])
    assert len(found.lr_shapes) == 1
    assert len(found.hr_shapes) == 1
    for path in (*found.lr_shapes, *found.hr_shapes):
        for x, y in points(path):
            assert -0.2 * found.width < x < 1.2 * found.width
            assert -0.2 * found.height < y < 1.2 * found.height


def test_multipolygons_holes_and_empty_shapes_are_drawn_or_left() -> None:
    two = MultiPolygon([box(-105.003, 38.999, -105.001, 39), box(-104.999, 39, -104.998, 39.001)])
    ring = box(-105.01, 38.99, -104.99, 39.01).difference(Point(-105.0, 39.0).buffer(0.002))
    found = drawn(member(-105.0, 39.0), hr_footprints=[to_wkb(two), to_wkb(ring)])
    assert [path.count("M") for path in found.hr_shapes] == [2, 2]


def test_the_map_shows_hr_scenes_that_hold_sites_but_not_their_far_ends() -> None:
    scene = to_wkb(box(-106.0, 38.0, -104.0, 40.0))
    alone = drawn(member(-105.0, 39.0), member(-104.95, 39.02, 1))
    with_scene = drawn(member(-105.0, 39.0), member(-104.95, 39.02, 1), hr_footprints=[scene])
    gap = alone.marks[1].x - alone.marks[0].x
    assert 0.4 * gap < with_scene.marks[1].x - with_scene.marks[0].x < gap


def test_sites_on_both_sides_of_the_antimeridian_stand_together() -> None:
    found = drawn(member(179.99, -17.0), member(-179.99, -17.0, 1))
    first, second = found.marks
    assert 0 < first.x < second.x < found.width
    assert all(label.label.endswith(("E", "W", "°")) for label in found.meridians)


def test_candidates_that_were_not_chosen_are_points() -> None:
    found = drawn(
        member(-105.0, 39.0), member(-104.9, 39.05, 1), drawn=[(-104.95, 39.02), (100.0, 0.0)]
    )
    assert found.n_drawn == 2
    assert len(dotted(found.drawn)) == 1  # the other lies outside


def test_frame_and_graticule_agree() -> None:
    found = drawn(member(-105.0, 39.0), member(-104.5, 39.3, 1))
    assert 2 <= len(found.meridians) <= 9
    assert 2 <= len(found.parallels) <= 9
    top = [s for s in found.stripes if s.height < 5 and s.y < 0]
    edges = {round(edge, 3) for s in top for edge in (s.x, s.x + s.width)}
    # Every meridian is where a stripe begins or ends.
    assert all(min(abs(line.at - edge) for edge in edges) < 0.01 for line in found.meridians)
    assert all(s.x >= 0 and s.x + s.width <= found.width + 1e-9 for s in top)


def test_the_scale_bar_fits() -> None:
    found = drawn(member(-105.0, 39.0), member(-104.5, 39.3, 1))
    quarter, label = found.scale
    assert 0.06 * found.width < 4 * quarter < 0.4 * found.width
    assert label.endswith("km")


def test_the_map_has_words() -> None:
    words = drawn(member(-105.0, 39.0), member(-104.9, 39.0, 1, split="val")).words
    assert "2 sites: 1 train, 1 val" in words
    assert "2 sites: 2 urban" in drawn(member(-105.0, 39.0), member(-104.9, 39.0, 1)).stratum_words


def many(n: int) -> list[Member]:
    rng = np.random.default_rng(3)
    square = to_wkb(box(0, 0, EDGE_DEG, EDGE_DEG))
    return [
        member(
            float(rng.uniform(-124, -68)), float(rng.uniform(25, 48)), i, footprint_wkb=square,
            split=("train", "train", "val", "test")[i % 4],
            stratum=("urban", "non_urban")[i % 3 > 0],
            role="reserve" if i % 9 == 8 else "sample",
        )
        for i in range(n)
    ]  # fmt: skip


def test_forty_thousand_sites_are_merged_and_none_is_forgotten() -> None:
    members = many(40_000)
    found = drawn(*members)
    assert found.merged is not None
    for clouds in (found.clouds, found.by_stratum):
        assert sum(cloud.n for cloud in clouds) == len(members)
        assert sum(cloud.n_dots for cloud in clouds) <= MAX_DOTS
        assert all(len(dotted(cloud.path)) == cloud.n_dots for cloud in clouds)
        assert sum(len(cloud.path) for cloud in clouds) < 8 * MAX_DOTS
    assert found.merged[0] == sum(cloud.n_dots for cloud in found.clouds)
    assert found.clouds[-1].split == "test"  # what is rare stands on top


@pytest.mark.parametrize("most", [60, 300, 100_000])
def test_every_site_lies_in_the_cell_of_a_dot_of_its_kind(most: int) -> None:
    members = many(900)
    xy = np.random.default_rng(4).uniform(0, 640, (900, 2))
    clouds, cell = dots.clouds(members, xy, by_split=True, most=most)
    by_kind = {(c.split, c.stratum, c.role): np.array(dotted(c.path)) for c in clouds}
    for m, at in zip(members, xy, strict=True):
        near = np.abs(by_kind[m.split, m.stratum, m.role] - at).max(axis=1).min()
        assert near <= cell / 2
    assert sum(c.n_dots for c in clouds) <= max(most, len(clouds))
    assert (cell == 1) == (most == 100_000)


def test_sites_that_share_no_dot_are_not_merged() -> None:
    members = [member(-105 + i * 0.01, 39.0 + (i % 7) * 0.5, i) for i in range(MAX_SINGLE + 1)]
    found = drawn(*members)
    dots = sum(cloud.n_dots for cloud in found.clouds)
    assert (found.merged is None) == (dots == len(members))


def test_strata_have_colours_of_their_own_up_to_the_last() -> None:
    names = ("urban", "non_urban", "a", "b", "c", "d", "e")
    members = [member(-105.0, 39.0, i, stratum=name) for i, name in enumerate(names)]
    found = {kin.stratum: kin.colour for kin in drawn(*members).strata}
    assert found == {"urban": 0, "non_urban": 1, "a": 2, "b": 3, "c": 4, "d": 5, "e": 5}
    alone = drawn(member(-105.0, 39.0, stratum="non_urban", role="reserve")).strata
    assert [(k.colour, k.n_samples, k.n_reserves) for k in alone] == [(1, 0, 1)]
