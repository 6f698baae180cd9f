"""Which scene a Sentinel-2 item without a datastrip id belongs to."""

from datetime import UTC, datetime, timedelta

import pytest
import shapely

from geosr_lake.scenes.datastrips import MAX_APART, Loner, Strip, iou, joined

NOON = datetime(2024, 8, 3, 18, 0, tzinfo=UTC)
WHOLE = shapely.box(0, 0, 1, 1)


def strip(minutes: float, footprint: shapely.Geometry = WHOLE) -> Strip:
    start = NOON + timedelta(minutes=minutes)
    return Strip(f"sentinel-2a|13TDE|{start:%Y%m%dT%H%M%S}", footprint)


def loner(footprint: shapely.Geometry = WHOLE, moment: datetime = NOON) -> Loner:
    return Loner(footprint, moment, moment)


def test_the_start_is_read_from_the_identity() -> None:
    assert strip(5).start == NOON + timedelta(minutes=5)


def test_iou_of_squares() -> None:
    assert iou(WHOLE, WHOLE) == 1
    assert iou(WHOLE, shapely.box(0, 0, 1, 0.5)) == 0.5
    assert iou(WHOLE, shapely.box(2, 2, 3, 3)) == 0
    assert iou(shapely.Polygon(), shapely.Polygon()) == 0


@pytest.mark.parametrize(("height", "joins"), [(0.9, True), (0.8999, False), (0.1, False)])
def test_the_least_overlap(height: float, joins: bool) -> None:
    found = joined(loner(shapely.box(0, 0, 1, height)), [strip(5)])
    assert (found == strip(5).identity) == joins


def test_the_greatest_overlap_wins_not_the_nearest_time() -> None:
    near = strip(0, shapely.box(0, 0, 1, 0.95))
    assert joined(loner(), [near, strip(5)]) == strip(5).identity
    assert joined(loner(), [strip(5), near]) == strip(5).identity


def test_of_equal_overlaps_the_earlier_start_wins() -> None:
    for strips in ([strip(5), strip(3)], [strip(3), strip(5)]):
        assert joined(loner(), strips) == strip(3).identity


@pytest.mark.parametrize("sign", [-1, 1])
def test_another_pass_is_another_scene(sign: int) -> None:
    limit = MAX_APART.total_seconds() / 60
    assert joined(loner(), [strip(sign * limit)]) is not None
    assert joined(loner(), [strip(sign * (limit + 0.1))]) is None


def test_a_whole_day_is_near_every_pass_in_it() -> None:
    day = Loner(WHOLE, NOON.replace(hour=0), NOON.replace(hour=0) + timedelta(days=1))
    assert joined(day, [strip(120)]) == strip(120).identity


def test_without_a_scene_it_stands_alone() -> None:
    assert joined(loner(), []) is None
