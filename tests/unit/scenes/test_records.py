"""Which records are new items: the first of each key that the lake has not, read in any order."""

import hashlib
import random
from collections import Counter
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stac_items import landsat, naip, row, table

from geosr_lake.scenes import parted, records, staging
from geosr_lake.scenes.accounts import LEFT_OUT, READ, REPEATED, Tally
from geosr_lake.scenes.reading import item_schema
from geosr_lake.scenes.records import Decided, Records
from geosr_lake.scenes.staging import KEY, Keys, digests, keys_of

KINDS: tuple[tuple[str, str | None], ...] = (("kept", None), ("unsupported", "x"), ("kept", "y"))
Row = tuple[int, int]
"""A key and a kind, both small numbers."""
units = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(["f0", "f1", "f2"]),
        st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), max_size=8),
    ),
    max_size=8,
)


def digest(key: int) -> tuple[int, int]:
    text = hashlib.blake2b(bytes([key % 6]), digest_size=8).digest()
    return int.from_bytes(text, "big"), key // 6  # some agree in their first half


def keys(path: str, staged: str, rows: list[Row], position: int) -> Keys:
    found = np.zeros(len(rows), KEY)
    for i, (key, kind) in enumerate(rows):
        found[i] = (*digest(key), position + i, kind)
    return Keys(path, staged, len(rows), found, KINDS)


def expected(
    given_units: list[tuple[str, str, list[Row]]], positions: list[int], held: set[int]
) -> Decided:
    """What must come out, one record after the other."""
    every: list[tuple[str, int, int, int, str, int]] = []
    filled: Counter[str] = Counter()
    for (path, staged, rows), position in zip(given_units, positions, strict=True):
        for i, (key, kind) in enumerate(rows):
            every.append((path, position + i, key, kind, staged, filled[staged]))
            filled[staged] += 1
    keep: dict[str, Any] = {staged: [False] * count for staged, count in filled.items() if count}
    seen, counts = set(held), Counter[tuple[str, str, str | None]]()
    for path, _, key, kind, staged, at in sorted(every):
        outcome, reason = KINDS[kind]
        counts[path, REPEATED if key in seen else outcome, reason] += 1
        keep[staged][at] = key not in seen
        seen.add(key)
    new = sorted(high.to_bytes(8, "big") + low.to_bytes(8, "big")
                 for high, low in map(digest, seen - held))  # fmt: skip
    name = f"scenes-ingest-{len(new)}-{hashlib.sha256(b''.join(new)).hexdigest()[:32]}"
    return Decided(keep, tuple(Tally(*what, rows) for what, rows in counts.items()), name)


@given(units, st.sets(st.integers(0, 14)), st.randoms(use_true_random=False), st.integers(0, 30))
def test_the_first_of_each_key_is_new(
    given_units: list[tuple[str, str, list[Row]]],
    held: set[int],
    rng: random.Random,
    most: int,
) -> None:
    starts = [100 * i for i in range(len(given_units))]
    rng.shuffle(starts)  # the units of a file are read in any order
    with Records() as found:
        found._keys._most = most
        for (path, staged, rows), start in zip(given_units, starts, strict=True):
            found.add(keys(path, staged, rows, start))
        some = np.array([digest(key) for key in held], np.uint64).reshape(-1, 2)
        found.add_held(some)
        found.add_held(some[:1])
        decided = found.decided()
    truth = expected(given_units, starts, held)
    assert {file: mask.tolist() for file, mask in decided.keep.items()} == truth.keep
    assert decided.name == truth.name
    told = [tally for tally in decided.tallies if tally.status != READ]
    assert sorted(map(repr, told)) == sorted(map(repr, truth.tallies))
    read = Counter({t.path: t.rows for t in decided.tallies if t.status == READ})
    assert read.total() == sum(len(rows) for _, _, rows in given_units)


def test_the_name_is_the_one_of_before() -> None:
    """A repeat of a run that an older version of this code made is recognised by it."""
    rows = table(naip(), landsat(), naip())
    rows = rows.append_column("position", pa.array([0, 1, 2], pa.int64()))
    with Records() as found:
        found.add(keys_of(rows, "a.ndjson", "part-0"))
        decided = found.decided()
    texts = []
    for one in rows.slice(0, 2).to_pylist():
        parts = [one[name] for name in ("archive", "collection", "item_id", "content_hash")]
        text = "\n".join([*(str(len(part)) for part in parts), *parts])
        texts.append(hashlib.blake2b(text.encode(), digest_size=16).digest())
    expected_hash = hashlib.sha256(b"".join(sorted(texts))).hexdigest()[:32]
    assert decided.name == f"scenes-ingest-2-{expected_hash}"
    assert decided.keep["part-0"].tolist() == [True, True, False]


def test_what_a_batch_tells() -> None:
    docs = [naip(), landsat(), {**naip(state="ne"), "geometry": None}]
    rows = pa.Table.from_pylist([row(doc) for doc in docs], schema=item_schema())
    rows = rows.append_column("position", pa.array([7, 8, 9], pa.int64()))
    assert rows["reason"].null_count == 2
    found = keys_of(rows, "a", "b", 4)
    pairs = [found.kinds[kind] for kind in found.rows["kind"]]
    told = zip(rows["outcome"].to_pylist(), rows["reason"].to_pylist(), strict=True)
    assert pairs == list(told)
    assert found.rows["position"].tolist() == [7, 8, 9]
    both = np.stack([found.rows["high"], found.rows["low"]], axis=1)
    assert both.tolist() == digests(rows).tolist()
    times = rows["t_start"].drop_null().to_pylist()
    assert found.days == {(time.date() - date(1970, 1, 1)).days for time in times}
    assert found.timeless
    assert not keys_of(rows.slice(0, 2), "a", "b").timeless
    assert (found.records, found.left_out, found.ended) == (0, 4, False)
    none = keys_of(rows.slice(0, 0), "a", "b")
    assert (len(none.rows), none.kinds, none.days) == (0, (), frozenset())


def test_what_was_read_and_left_out_is_counted() -> None:
    with Records() as found:
        found.add(Keys("a", "x", 0, left_out=3))
        found.add(Keys("a", "x", 5, ended=True))
        found.add(Keys("b", "x", 0, ended=True))
        assert found.days == frozenset()
        decided = found.decided()
    assert decided.keep == {}
    assert set(decided.tallies) == {
        Tally("a", READ, None, 5),
        Tally("b", READ, None, 0),
        Tally("a", LEFT_OUT, None, 3),
    }


def test_the_days_are_those_of_all() -> None:
    some = keys("a", "x", [(1, 0)], 0)
    with Records() as found:
        for days in ({5, 6}, set(), {2, 5}):
            found.add(Keys("a", "x", 1, some.rows, KINDS, frozenset(days)))
            assert not found.timeless
        assert found.days == {2, 5, 6}
        found.add(Keys("a", "x", 1, some.rows, KINDS, timeless=True))
        assert (found.days, found.timeless) == ({2, 5, 6}, True)


def test_held_items_of_other_keys_take_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    added = []
    monkeypatch.setattr(parted.Parted, "add", lambda _, rows: added.append(len(rows)))
    monkeypatch.setattr(parted.Parted, "parts", lambda _: iter([]))
    with records.Records() as found:
        rng = np.random.default_rng(0)
        found.add_held(rng.integers(0, 2**64, (500, 2), np.uint64, endpoint=False))
    assert added == [0]
    assert staging.KEY.itemsize == 28


@pytest.mark.parametrize("most", [50, 1500, parted.MOST_ROWS])
def test_held_items_meet_records_of_all_parts(most: int) -> None:
    """Many keys, so that every part has some; of some only one half is that of a held item."""
    rng = np.random.default_rng(most)
    every = rng.integers(0, 2**64, (3000, 2), np.uint64, endpoint=False)
    every[:300, 0] = every[300:600, 0]
    drawn = [rng.integers(0, 3000, 400).tolist() for _ in range(8)]
    held = set(rng.integers(0, 3000, 1200).tolist())
    truth: dict[str, list[bool]] = {}
    seen = set(held)
    with Records() as found:
        found._keys._most = most
        for at, numbers in enumerate(drawn):
            rows = np.zeros(len(numbers), KEY)
            rows["high"], rows["low"] = every[numbers, 0], every[numbers, 1]
            rows["position"] = np.arange(len(numbers))
            found.add(Keys(f"path {at}", f"file {at}", len(numbers), rows, KINDS))
            truth[f"file {at}"] = []
            for number in numbers:
                truth[f"file {at}"].append(number not in seen)
                seen.add(number)
        in_batches = np.array_split(np.array(sorted(held)), 7)
        for some in in_batches:
            found.add_held(every[some])
        waiting = sum(map(len, found._keys._waiting))
        parts = sum(1 for _ in found._keys.parts())
        decided = found.decided()
    assert waiting <= most
    assert parts == 1 if most == parted.MOST_ROWS else parts > parted.PARTS // 2
    assert {file: mask.tolist() for file, mask in decided.keep.items()} == truth
    new = {number for numbers in drawn for number in numbers} - held
    assert decided.name.startswith(f"scenes-ingest-{len(new)}-")
    kept = {tally.path: tally.rows for tally in decided.tallies if tally.status == "kept"}
    assert kept == {f"path {i}": sum(truth[f"file {i}"]) for i in range(8)}


def test_a_file_without_records_is_in_no_part() -> None:
    """Held items alone decide nothing."""
    with Records() as found:
        found.add_held(np.array([[1, 2], [3, 4]], np.uint64))
        decided = found.decided()
    assert (decided.keep, decided.tallies) == ({}, ())
