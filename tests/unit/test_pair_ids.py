"""Ids of many pairs, against the id of each."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from geosr_lake import ids
from geosr_lake.pair_ids import pair_ids

texts = st.text(max_size=40)


@given(texts, st.lists(st.tuples(texts, texts), max_size=20), st.integers(0, 3))
def test_each_is_what_it_would_be_alone(
    rule: str, pairs: list[tuple[str, str]], skipped: int
) -> None:
    """Also of arrays that begin within a buffer, and of texts that are not ASCII."""
    lr, hr = (pa.array([p[i] for p in pairs], pa.string()).slice(skipped) for i in (0, 1))
    found = pair_ids(rule, lr, hr)
    assert found.type == pa.string()
    assert found.to_pylist() == [ids.pair_id(rule, *pair) for pair in pairs[skipped:]]
    found.validate(full=True)
