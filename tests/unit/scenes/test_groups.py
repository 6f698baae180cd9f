"""What becomes of groups by their numbers is what their names say."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from geosr_lake.scenes.groups import (
    ALIVE,
    ALONE,
    HELD,
    HERE,
    MEMBER,
    NAMELESS,
    OLDER,
    SHARED,
    TOUCHES,
    Judged,
    hashes,
    judged,
    members,
)


class Member(NamedTuple):
    """An item, or a scene."""

    group: str
    identity: str | None
    flags: int


KINDS = (
    *(TOUCHES, TOUCHES | ALIVE | HERE),  # gone again, new
    *(OLDER, OLDER | ALIVE, OLDER | ALIVE | HERE, HELD),  # the last but one in a new file
)
drawn = st.builds(
    Member,
    st.sampled_from("abcdef"),
    st.sampled_from(["x", "y", "z", None]),
    st.sampled_from(KINDS),
)


def told(found: list[Member]) -> np.ndarray:
    """The members in two files, one after the other."""
    cut = len(found) // 2
    parts = []
    for file, some in enumerate((found[:cut], found[cut:])):
        rows = pa.table(
            {
                "group_key": pa.array([m.group for m in some], pa.string()),
                "identity": pa.array([m.identity for m in some], pa.string()),
            }
        )
        flags = np.array([m.flags for m in some], np.uint8)
        parts.append(members(rows, flags, file, 0))
    return np.concatenate(parts)


def by_names(found: list[Member]) -> tuple[int, set[str], int, dict[int, int]]:
    """Groups that are touched, those brought together, their rows, what becomes of members."""
    groups: dict[str, list[int]] = defaultdict(list)
    for i, member in enumerate(found):
        groups[member.group].append(i)
    touched = {g for g, at in groups.items() if any(found[i].flags & TOUCHES for i in at)}
    together, brought, becomes = set(), 0, {}
    for group in touched:
        alive = [i for i in groups[group] if found[i].flags & ALIVE]
        names = [found[i].identity for i in alive]
        old = any(found[i].flags & (OLDER | HELD) for i in groups[group])
        if old or None in names or len(set(names)) < len(names):
            together.add(group)
            brought += len(alive) + sum(bool(found[i].flags & HELD) for i in groups[group])
        for i in alive:
            if found[i].flags & HERE:
                becomes[i] = SHARED if group in together else ALONE
    return len(touched), together, brought, becomes


def places(found: Judged, count: int) -> dict[int, int]:
    """What becomes of members, by their numbers."""
    at = found.row + np.where(found.file == 1, count // 2, 0)
    return dict(zip(at.tolist(), found.becomes.tolist(), strict=True))


@given(st.lists(drawn, max_size=40))
def test_numbers_say_what_names_say(found: list[Member]) -> None:
    groups, together, brought, becomes = by_names(found)
    done = judged(told(found))
    assert done.groups == groups
    assert done.brought == brought
    of_text = pa.chunked_array([pa.array(sorted(together), pa.string())])
    assert done.together.tolist() == sorted(hashes(of_text).tolist())
    assert places(done, len(found)) == becomes


@given(st.lists(drawn, max_size=30))
def test_groups_that_are_one_by_their_hash_are_brought_together_or_stay_alone(
    found: list[Member],
) -> None:
    """Then no item that needs others is taken for one that does not, and none of before for new."""
    rows = told(found)
    rows["group"] = 7
    done = places(judged(rows), len(found))
    _, _, _, becomes = by_names(found)
    for i, what in becomes.items():
        assert done[i] == SHARED or what == ALONE
    for i, what in done.items():
        assert what == SHARED or found[i].flags & TOUCHES, "only the hash touches its group"


def test_members_are_rows_with_a_flag() -> None:
    rows = pa.table({"group_key": ["a", "b", "a"], "identity": ["x", None, "x"]})
    some = members(rows, np.array([TOUCHES, ALIVE, 0], np.uint8), 3, 10)
    assert some.dtype == MEMBER
    assert some["row"].tolist() == [10, 11]
    assert some["file"].tolist() == [3, 3]
    assert some["flags"].tolist() == [TOUCHES, ALIVE | NAMELESS]
    every = members(rows, np.full(3, ALIVE, np.uint8))
    assert every["group"][0] == every["group"][2] != every["group"][1]
    assert every["scene"][0] == every["scene"][2]
    scenes = members(rows.select(["group_key"]), np.full(3, HELD, np.uint8))
    assert scenes["flags"].tolist() == [HELD] * 3


def test_hashes_do_not_depend_on_chunks() -> None:
    texts = [f"group {i % 70_000}" for i in range(140_000)]
    whole = pa.chunked_array([texts])
    cut = pa.chunked_array([texts[:5], [], texts[5:]])
    assert hashes(whole).tolist() == hashes(cut).tolist()
    assert len(set(hashes(whole).tolist())) == 70_000
    assert len(hashes(pa.chunked_array([], pa.string()))) == 0
