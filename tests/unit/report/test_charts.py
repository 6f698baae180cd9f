import itertools
import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_members import member

from geosr_lake.report import charts, text
from geosr_lake.report.charts import HEIGHT, WIDTH, Histogram
from geosr_lake.report.members import Measured, Scene


def measured(**change: object) -> Measured:
    plain = Measured(
        cube="c", index=0, replaces=None, lr_valid_frac=1.0, hr_valid_frac=1.0, lr_clear_frac=1.0,
        hr_clear_frac=1.0, shift_px=(0.0, 0.0), correlation=0.9, lr_item="l", hr_item="h",
        lr_dn_offset=None,
    )  # fmt: skip
    return replace(plain, **change)  # type: ignore[arg-type]


def counts(h: Histogram) -> int:
    """How many members the bars stand for, by the heights."""
    top = int(h.levels[-1].label)
    return round(sum(bar.height for bar in h.bars) / HEIGHT * top)


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), classes=st.integers(2, 20))
def test_class_edges_hold_all_values_evenly(values: list[float], classes: int) -> None:
    cuts = charts.edges(values, classes)
    assert cuts[0] <= min(values) + 1e-6
    assert cuts[-1] >= max(values) - 1e-6
    steps = {round((b - a) / (cuts[1] - cuts[0]), 3) for a, b in itertools.pairwise(cuts)}
    assert steps == {1.0}
    assert 1 <= len(cuts) - 1 <= classes + 1


def test_steps_are_nice() -> None:
    assert charts.nice_step(10, 5) == 2
    assert charts.nice_step(0.9, 10) == pytest.approx(0.1)
    assert charts.nice_step(14, 4) == 5


@given(
    st.lists(
        st.tuples(st.sampled_from(charts.SPLITS), st.none() | st.floats(-400, 400)),
        min_size=1,
        max_size=60,
    )
)
def test_every_member_is_in_one_bar_or_unknown(rows: list[tuple[str, float | None]]) -> None:
    members = [member(split, lr_cloud_frac=value) for split, value in rows]
    found = charts.histogram(members, "x", "d", lambda m: m.lr_cloud_frac)
    known = sum(value is not None for _, value in rows)
    assert found is not None
    assert counts(found) == len(rows)
    assert found.unknown == len(rows) - known
    for bar in found.bars:
        assert 0 <= bar.x < bar.x + bar.width <= WIDTH
        assert -1e-6 <= bar.y < bar.y + bar.height <= HEIGHT + 1e-6
    numbers = [(int(bar.title.rsplit(" ", 2)[1]), bar.known) for bar in found.bars]
    assert sum(n for n, told in numbers if told) == known
    assert sum(n for n, told in numbers if not told) == found.unknown
    said = f"unknown for all {len(rows)} " if not known else f": {known} samples, from "
    assert said in found.words
    if known and known < len(rows):
        verb = "is" if len(rows) - known == 1 else "are"
        assert f"; {len(rows) - known} more {verb} unknown." in found.words


@given(st.lists(st.floats(-400, 400), min_size=1, max_size=60))
def test_bars_count_as_numpy_does_and_the_words_say_its_median(values: list[float]) -> None:
    members = [member(lat=value) for value in values]
    found = charts.histogram(members, "x", "d", lambda m: m.lat)
    assert found is not None
    cuts = np.array(charts.edges(values, 14))
    step = cuts[1] - cuts[0]
    # Values on an edge but for rounding belong to the class above it.
    at = np.array(values) + 1e-9 * step
    expected, _ = np.histogram(at, bins=[*cuts[:-1], cuts[-1] + step])
    width = WIDTH / len(expected)
    drawn = np.zeros(len(expected), int)
    for bar in found.bars:
        drawn[int(bar.x // width)] += int(bar.title.rsplit(" ", 2)[1])
    assert drawn.tolist() == expected.tolist()
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) + 1
    middle = text.number(float(np.median(values)), digits)
    if float(f"{np.median(values):.{digits}f}") == 0:
        middle = middle.removeprefix(text.MINUS)
    assert f"median {middle} d." in found.words


def test_what_nobody_knows_is_one_bar_and_no_member_no_chart() -> None:
    found = charts.histogram([member(), member("val")], "Cloud", "%", lambda m: m.lr_cloud_frac)
    assert found is not None
    assert [(bar.split, bar.known) for bar in found.bars] == [("train", False), ("val", False)]
    assert found.words == "Cloud: unknown for all 2 samples."
    assert charts.histogram([], "Cloud", "%", lambda m: m.lr_cloud_frac) is None


def test_a_limit_stands_where_its_number_does() -> None:
    found = charts.histogram(
        [member(lat=10.0), member(lat=80.0)], "x", "%", lambda m: m.lat, span=(0.0, 100.0),
        limit=(25.0, "urban from 25"),
    )  # fmt: skip
    assert found is not None
    assert found.limit == charts.Tick(WIDTH / 4, "urban from 25")


def test_stacks_stand_on_each_other_in_the_order_of_splits() -> None:
    members = [member("test", gap_s=0.0), member("train", gap_s=0.0), member("train", gap_s=0.0)]
    found = charts.histogram(members, "gap", "d", lambda m: m.gap_s)
    assert found is not None
    train, test = found.bars
    assert (train.split, test.split) == ("train", "test")
    assert train.y + train.height == HEIGHT
    assert test.y + test.height == pytest.approx(train.y)
    assert train.height == pytest.approx(2 * test.height)


def test_an_axis_can_be_asked_to_show_more() -> None:
    found = charts.histogram([member(gap_s=3.0)], "x", "%", lambda m: m.gap_s, span=(0.0, 10.0))
    assert found is not None
    assert (found.ticks[0].label, found.ticks[-1].label) == ("0", "10")


def test_months_count_by_month() -> None:
    def at(month: int) -> Scene:
        moment = datetime(2024, month, 3, tzinfo=UTC)
        return Scene("naip", "t", moment, moment, None, "i")

    members = [member(hr=at(1)), member("val", hr=at(12)), member(hr=at(12)), member()]
    found = charts.months(members, "Month", lambda m: m.hr.t_start if m.hr else None)
    assert found is not None
    assert counts(found) == 4
    assert found.unknown == 1
    assert found.words == "Month: 3 samples, 1 in January, 2 in December; 1 more is unknown."
    assert [tick.label for tick in found.ticks] == [*charts.MONTHS, "unknown"]
    assert charts.months([], "Month", lambda _: None) is None


def test_shifts_stand_where_they_point() -> None:
    members = [
        member(measured=measured(shift_px=(0.04, -0.02))),
        member(measured=measured(shift_px=None)),
        member(),
    ]
    found = charts.shifts(members)
    assert found is not None
    assert found.reach == 0.1
    assert found.unknown == 1
    dot = found.dots[0]
    assert (dot.x, dot.y) == (pytest.approx(0.4), pytest.approx(-0.2))  # east is right, north up
    assert [ring.label for ring in found.rings] == ["0.05", "0.1"]


@pytest.mark.parametrize(("shift", "reach"), [(0.0, 0.1), (0.3, 0.5), (1.0, 2.0), (40.0, 10.0)])
def test_rings_reach_as_far_as_the_largest_shift(shift: float, reach: float) -> None:
    found = charts.shifts([member(measured=measured(shift_px=(shift, 0.0)))])
    assert found is not None
    assert found.reach == reach


def test_no_shift_no_scatter() -> None:
    assert charts.shifts([member(), member(measured=measured(shift_px=None))]) is None
