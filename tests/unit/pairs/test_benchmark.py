"""What the benchmark of the join counts and generates by itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import join.sky
    import join.tested
    import join.write

    return join


def test_pairs_of_boxes_are_counted_scene_by_scene(bench: Any) -> None:
    rng = np.random.default_rng(4)

    def side(count: int) -> tuple[Any, Any]:
        corner = rng.integers(0, 12, (count, 2)).astype(float)
        boxes = np.concatenate([corner, corner + rng.integers(1, 4, (count, 2))], axis=1)
        return np.unique(boxes, axis=0, return_counts=True)

    lr, hr = side(60), side(90)
    expected = sum(
        int(n) * int(m)
        for a, n in zip(*lr, strict=True)
        for b, m in zip(*hr, strict=True)
        if a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]
    )
    assert bench.tested.meeting(*lr, *hr) == expected > 0


def test_a_crowded_tile_has_so_many_times_its_scenes(bench: Any) -> None:
    seen = next(bench.sky.looks("modis", 1))
    before = np.bincount(seen.tile)
    after = np.bincount(bench.write.crowded(seen, 50, np.random.default_rng(0)).tile)
    busiest = before.argmax()
    assert after[busiest] == 50 * before[busiest]
    assert np.array_equal(np.delete(after, busiest), np.delete(before, busiest))
