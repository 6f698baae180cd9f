"""Rows in parts: nothing is lost, equal hashes stay together, whether in memory or in a file."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geosr_lake.errors import GeoSRError
from geosr_lake.scenes.parted import PARTS, Marks, Parted

KIND = np.dtype([("hash", np.uint64), ("number", np.int32)])
hashes = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**63, 2**64 - 1]))


def rows(values: list[int], first: int = 0) -> np.ndarray:
    found = np.zeros(len(values), KIND)
    found["hash"] = np.array(values, np.uint64)
    found["number"] = np.arange(first, first + len(values))
    return found


@given(st.lists(st.lists(hashes, max_size=9), max_size=9), st.integers(0, 100))
def test_nothing_is_lost_and_equal_hashes_are_in_one_part(
    batches: list[list[int]], most: int
) -> None:
    with Parted(KIND, by="hash", most=most) as parted:
        count = 0
        for batch in batches:
            parted.add(rows(batch, count))
            count += len(batch)
        parts = list(parted.parts())
        again = list(parted.parts())
    assert [part.tolist() for part in parts] == [part.tolist() for part in again]
    told = [(int(h), int(n)) for part in parts for h, n in part.tolist()]
    given_rows = [value for batch in batches for value in batch]
    assert sorted(told, key=lambda row: row[1]) == [(h, i) for i, h in enumerate(given_rows)]
    sets = [set(part["hash"].tolist()) for part in parts]
    assert sum(map(len, sets)) == len(set(given_rows)), "a hash is in one part"
    assert all(max(a) < min(b) for a, b in pairwise(sets))
    for part in parts:
        for value in set(part["hash"].tolist()):
            numbers = part["number"][part["hash"] == value].tolist()
            assert numbers == sorted(numbers), "as they came"


def test_rows_may_come_after_parts_were_read() -> None:
    with Parted(KIND, by="hash", most=2) as parted:
        parted.add(rows([5, 2**63, 7]))
        assert sum(len(part) for part in parted.parts()) == 3
        parted.add(rows([6], 3))
        assert sorted(n for part in parted.parts() for n in part["number"].tolist()) == [0, 1, 2, 3]


def test_none_is_no_part() -> None:
    with Parted(KIND, by="hash") as parted:
        assert list(parted.parts()) == []


def test_memory_holds_one_part() -> None:
    """A part is as long as the hashes let it be: about the whole by the number of parts."""
    rng = np.random.default_rng(1)
    with Parted(KIND, by="hash", most=1000) as parted:
        for _ in range(20):
            found = np.zeros(5000, KIND)
            found["hash"] = rng.integers(0, 2**64, 5000, np.uint64, endpoint=False)
            parted.add(found)
            assert sum(map(len, parted._waiting)) <= 1000
        lengths = [len(part) for part in parted.parts()]
    assert sum(lengths) == 100_000
    assert len(lengths) == PARTS
    assert max(lengths) < 2 * 100_000 / PARTS


def test_a_file_ends_with_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    opened = []
    real = tempfile.TemporaryFile

    def temporary() -> object:
        opened.append(real())
        return opened[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", temporary)
    with pytest.raises(OSError, match="cut"), Parted(KIND, by="hash", most=0) as parted:  # noqa: PT012
        parted.add(rows([1]))
        raise OSError("cut")
    assert [file.closed for file in opened] == [True]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let this process write no longer files: as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("count", [10, 341, 100_000])
def test_a_full_disk_is_told(count: int) -> None:
    """However few rows it was that had no room: what a file keeps to itself is written at once."""
    with (
        files_of_at_most(60),
        pytest.raises(GeoSRError, match="cannot be written") as told,
        Parted(KIND, by="hash", most=0) as parted,
    ):
        parted.add(rows(list(range(count))))
    assert "TMPDIR" in str(told.value.next_step)


def test_no_place_for_the_file_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with Parted(KIND, by="hash", most=0) as parted, pytest.raises(GeoSRError, match="nowhere"):
        parted.add(rows([1]))


def test_marks_take_the_same_room_whatever_they_hold() -> None:
    marks = Marks()
    before = marks._found.nbytes
    marks.add(np.random.default_rng(2).integers(0, 2**64, 10**6, np.uint64, endpoint=False))
    assert marks._found.nbytes == before == 2**24


@given(st.lists(hashes), st.lists(hashes))
def test_marks_miss_none(added: list[int], asked: list[int]) -> None:
    marks = Marks()
    marks.add(np.array(added, np.uint64))
    assert marks.may_hold(np.array(added, np.uint64)).all()
    told = marks.may_hold(np.array(asked, np.uint64)).tolist()
    near = {value >> 40 for value in added}
    assert told == [value >> 40 in near for value in asked]
