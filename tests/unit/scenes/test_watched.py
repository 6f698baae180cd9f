"""What is told of a reading while it goes on."""

import pytest

from geosr_lake.scenes.watched import DoneParam, spoken


def test_what_tasks_have_read_adds_up() -> None:
    param = DoneParam()
    total = param.zero({})
    for told in ({"a": (1, 10)}, {"b": (2, 5)}, {"a": (1, 7)}):
        total = param.addInPlace(total, told)
    assert total == {"a": (2, 17), "b": (2, 5)}
    assert param.addInPlace({}, total) == total


@pytest.mark.parametrize(
    ("done", "says"),
    [
        ({}, "0 of 2 files, 0 items, 0 a second, about 0 s left"),
        ({"a": (1, 3000)}, "0 of 2 files, 3,000 items, 300 a second, about 30 s left"),
        (
            {"a": (2, 5000), "b": (1, 1000)},
            "1 of 2 files, 6,000 items, 600 a second, about 3 s left",
        ),
    ],
)
def test_words(done: dict[str, tuple[int, int]], says: str) -> None:
    assert spoken(done, {"a": 2, "b": 2}, seconds=10) == says
