"""What each rule says at its edge, and of what is unknown."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from geosr_lake.manifest.inputs import Pairs, Scenes, TilePairs, _months
from geosr_lake.manifest.predicates import dropped_by
from geosr_lake.recipe import Rule

NAN = float("nan")
TIERS = {"a": "T1", "b": "T2", "c": "RT"}
YEARS_END = datetime(2023, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
RULE: TypeAdapter[Rule] = TypeAdapter(Rule)


def times(*moments: datetime) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(moments, pa.timestamp("us", "UTC"))])


def scenes(values: list[float], names: list[str | None], *moments: datetime) -> Scenes:
    n = len(values)
    numbers = np.array(values)
    return Scenes(
        pa.array([f"scn-{i}" for i in range(n)]),
        np.zeros(n, np.int64),
        numbers,
        numbers,
        numbers,
        numbers * 100,
        _months(times(*moments)),
        pa.array(names, pa.string()).dictionary_encode(),
        pa.array([name and TIERS[name] for name in names], pa.string()).dictionary_encode(),
        np.zeros((n, 4)),
        pa.array([b""] * n),
    )


def told(rule: dict[str, Any]) -> dict[str, list[bool]]:
    """The verdicts of a rule on four pairs; the fourth's values are unknown, on one side each."""
    lr = scenes(
        [0.1, 0.2, 0.20000001, NAN],
        ["a", "b", "c", None],
        YEARS_END, YEARS_END + timedelta(microseconds=1),
        datetime(2024, 2, 29, 23, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC),
    )  # fmt: skip
    hr = scenes([NAN], [None], YEARS_END)
    names = pa.array(["t"])
    pairs = Pairs(
        np.arange(4),
        np.zeros(4, np.int64),
        np.array([86_400.0, -86_400.0, 86_400.000001, -86_400.000001]),
        np.array([1.0, 0.5, 0.49999999, 0.0]),
        np.array([0, 4]),
        TilePairs(names, names, np.zeros((0, 4)), np.zeros(0, np.int64)),
        lr,
        hr,
        "rul-made",
    )
    found = dropped_by(RULE.validate_python(rule), pairs, np.arange(4))
    return {name: drops.tolist() for name, drops in found}


@pytest.mark.parametrize(
    ("rule", "verdict", "drops"),
    [
        ({"rule": "gap", "max": "1 d"}, "gap", [0, 0, 1, 1]),
        ({"rule": "gap", "max": "3652 d"}, "gap", [0, 0, 0, 0]),
        ({"rule": "overlap", "min_frac": 0.5}, "overlap", [0, 0, 1, 1]),
        ({"rule": "overlap", "min_frac": 0}, "overlap", [0, 0, 0, 0]),
        ({"rule": "months", "side": "lr", "months": [12]}, "lr_months", [0, 1, 1, 1]),
        ({"rule": "months", "side": "lr", "months": [1, 3]}, "lr_months", [1, 0, 1, 0]),
        ({"rule": "months", "side": "lr", "months": [2]}, "lr_months", [1, 1, 0, 1]),
        ({"rule": "months", "side": "hr", "months": [12]}, "hr_months", [0, 0, 0, 0]),
    ],
)
def test_what_is_never_unknown(rule: dict[str, Any], verdict: str, drops: list[int]) -> None:
    assert told(rule) == {verdict: list(map(bool, drops))}


@pytest.mark.parametrize("unknown", ["drop", "keep"])
@pytest.mark.parametrize(
    ("rule", "verdict", "drops"),
    [
        ({"rule": "cloud", "max_frac": 0.2}, "cloud", [0, 0, 1, 0]),
        ({"rule": "cloud", "max_frac": 1}, "cloud", [0, 0, 0, 0]),
        ({"rule": "snow", "max_frac": 0}, "snow", [1, 1, 1, 0]),
        ({"rule": "gsd", "max_m": 0.2}, "gsd", [0, 0, 0, 0]),  # archives round
        ({"rule": "gsd", "max_m": 0.19}, "gsd", [0, 1, 1, 0]),
        ({"rule": "sun", "min_deg": 20}, "sun", [1, 0, 0, 0]),
        ({"rule": "sun", "min_deg": 20.0000005}, "sun", [1, 1, 0, 0]),
        ({"rule": "sun", "min_deg": -90}, "sun", [0, 0, 0, 0]),
        ({"rule": "tier", "tiers": ["T1"]}, "tier", [0, 1, 1, 0]),
        ({"rule": "tier", "tiers": ["RT", "T1", "RT"]}, "tier", [0, 1, 0, 0]),
        ({"rule": "platforms", "platforms": ["c", "a"]}, "platform", [0, 1, 0, 0]),
        ({"rule": "platforms", "platforms": ["z"]}, "platform", [1, 1, 1, 0]),
    ],
)
def test_what_can_be_unknown_is_dropped_as_such_or_kept(
    rule: dict[str, Any], verdict: str, drops: list[int], unknown: str
) -> None:
    of_unknown = {f"lr_{verdict}_unknown": [False, False, False, True]}
    assert told(rule | {"side": "lr", "unknown": unknown}) == (
        of_unknown if unknown == "drop" else {}
    ) | {f"lr_{verdict}": list(map(bool, drops))}
    of_unknown = {f"hr_{verdict}_unknown": [True] * 4}
    assert told(rule | {"side": "hr", "unknown": unknown}) == (
        of_unknown if unknown == "drop" else {}
    ) | {f"hr_{verdict}": [False] * 4}


def test_months_are_those_of_utc_before_1970_too() -> None:
    moments = [
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1960, 2, 29, tzinfo=UTC),
        YEARS_END,
    ]
    assert _months(times(*moments)).tolist() == [12, 1, 2, 12]
    assert _months(times()).tolist() == []
