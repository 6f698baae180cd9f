"""Which tiles have to meet, decided from what met before."""

import pyarrow as pa

from geosr_lake.pairs.tiles import TILE_PAIR, plan


def tiles(**extents: str) -> pa.Table:
    rows = [{"tile": t, "extent_id": e, "extent_wkb": b""} for t, e in extents.items()]
    schema = pa.schema(
        [("tile", pa.string()), ("extent_id", pa.string()), ("extent_wkb", pa.binary())]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def met(*pairs: str) -> pa.Table:
    """Tile pairs written as ``tile@extent tile@extent``."""
    columns = [[side.split("@") for side in pair.split()] for pair in pairs]
    rows = [dict(zip(TILE_PAIR, (a[0], b[0], a[1], b[1]), strict=True)) for a, b in columns]
    return pa.Table.from_pylist(rows, schema=pa.schema([(n, pa.string()) for n in TILE_PAIR]))


def asked(former: pa.Table, lr: pa.Table, hr: pa.Table) -> set[str]:
    pairs = [
        f"{a} {b}"
        for left, right in plan(former, lr, hr).asked
        for a in left["tile"].to_pylist()
        for b in right["tile"].to_pylist()
    ]
    assert len(set(pairs)) == len(pairs), "two tiles are asked twice"
    return set(pairs)


def kept(former: pa.Table, lr: pa.Table, hr: pa.Table) -> set[str]:
    table = plan(former, lr, hr).kept
    return {f"{row['lr_tile']} {row['hr_tile']}" for row in table.to_pylist()}


def test_at_first_all_meet_all() -> None:
    world = (met(), tiles(a="1", b="1"), tiles(x="1", y="1"))
    assert asked(*world) == {"a x", "a y", "b x", "b y"}
    assert kept(*world) == set()


def test_without_tiles_of_a_side_nobody_meets() -> None:
    assert plan(met(), tiles(a="1"), tiles()).asked == ()
    assert plan(met(), tiles(), tiles(x="1")).asked == ()


def test_those_that_met_do_not_meet_again() -> None:
    world = (met("a@1 x@1", "b@1 y@1"), tiles(a="1", b="1"), tiles(x="1", y="1"))
    assert asked(*world) == set()
    assert kept(*world) == {"a x", "b y"}


def test_a_new_tile_meets_the_whole_other_side_and_nobody_else() -> None:
    former = met("a@1 x@1")
    assert asked(former, tiles(a="1"), tiles(x="1", y="1")) == {"a y"}
    assert asked(former, tiles(a="1", b="1"), tiles(x="1")) == {"b x"}
    assert asked(former, tiles(a="1", b="1"), tiles(x="1", y="1")) == {"b x", "b y", "a y"}


def test_a_changed_extent_meets_again_and_its_old_rows_go() -> None:
    former = met("a@1 x@1", "a@1 y@1", "b@1 y@1")
    world = (former, tiles(a="1", b="1"), tiles(x="2", y="1"))
    assert asked(*world) == {"a x", "b x"}
    assert kept(*world) == {"a y", "b y"}


def test_a_tile_that_went_takes_its_rows_with_it() -> None:
    former = met("a@1 x@1", "a@1 y@1")
    assert kept(former, tiles(a="1"), tiles(y="1")) == {"a y"}


def test_an_extent_that_comes_back_meets_again() -> None:
    """After it changed, its old rows are gone, so that they cannot be taken for new ones."""
    assert asked(met("a@2 x@1"), tiles(a="1"), tiles(x="1", y="1")) == {"a x", "a y"}


def test_a_tile_without_partners_is_tried_again() -> None:
    assert asked(met("a@1 x@1"), tiles(a="1", lone="1"), tiles(x="1")) == {"lone x"}
