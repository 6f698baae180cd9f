"""Files and folders: which are read, how they are cut, and what a broken one gives."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from stac_items import file_table, naip, row, rows, write_lines

from geosr_lake.archives import Record, Unit, find_files, first_records, plan_units, read_unit
from geosr_lake.archives import sources as module
from geosr_lake.archives.record import MAX_ITEM_BYTES, parse
from geosr_lake.errors import EnvironmentProblemError, UsageError

ITEMS = [naip(quarter=quarter) for quarter in ("nw", "ne", "sw", "se")]
IDS = [item["id"] for item in ITEMS]


def read(*paths: Path) -> list[Record]:
    return [record for unit in plan_units(find_files(paths)) for record in read_unit(unit)]


def ids(records: list[Record]) -> list[str]:
    return [record.doc["id"] if record.problem is None else record.problem for record in records]


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz", "A.JSONL", "a.jsonl.gz"])
def test_lines(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    text = b"\xef\xbb\xbf" + b"\n\r\n".join(json.dumps(item).encode() for item in ITEMS)
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    assert ids(read(path)) == IDS


def test_wrapped_lines(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.ndjson", [{"item": i, "provenance": {}} for i in ITEMS])
    assert ids(read(path)) == IDS


@pytest.mark.parametrize("suffix", [".json", ".geojson", ".json.gz"])
def test_json_files(tmp_path: Path, suffix: str) -> None:
    pages = [ITEMS[0], {"type": "FeatureCollection", "features": ITEMS[1:3]}, [ITEMS[3]]]
    for n, page in enumerate(pages):
        text = json.dumps(page, indent=1).encode()
        path = tmp_path / f"{n}{suffix}"
        path.write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)
    assert ids(read(tmp_path)) == IDS


@pytest.mark.parametrize("unit_bytes", [1, 7, 700, 10_000])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n"])
def test_a_large_file_is_cut_at_lines(
    tmp_path: Path, unit_bytes: int, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.ndjson"
    lines = [json.dumps({"id": f"x{n}" * (n % 7), "n": n}) for n in range(60)]
    path.write_bytes(ending.join(lines).encode())
    monkeypatch.setattr(module, "UNIT_BYTES", unit_bytes)
    units = plan_units([path])
    assert len(units) == max(1, -(-path.stat().st_size // unit_bytes))
    assert [r.doc["n"] for unit in units for r in read_unit(unit)] == list(range(60))


def test_folders_are_searched_and_other_files_passed_over(tmp_path: Path) -> None:
    write_lines(tmp_path / "b" / "deep" / "one.ndjson", ITEMS[:1])
    write_lines(tmp_path / "a.ndjson.gz", ITEMS[1:])
    for other in ("readme.txt", "a.tif", ".hidden.ndjson", "_temporary/x.ndjson"):
        write_lines(tmp_path / other, ITEMS)
    found = find_files([tmp_path, tmp_path / "a.ndjson.gz", str(tmp_path / "b")])
    assert [Path(name).relative_to(tmp_path).as_posix() for name in found] == [
        "a.ndjson.gz",
        "b/deep/one.ndjson",
    ]
    assert all(Path(name).is_absolute() for name in found)


def test_a_lake_in_the_folder_is_passed_over(tmp_path: Path) -> None:
    mine = write_lines(tmp_path / "items" / "a.ndjson", ITEMS)
    write_lines(tmp_path / "table" / "part.parquet", ITEMS)
    write_lines(tmp_path / "table" / "_delta_log" / "0.json", ITEMS)
    write_lines(tmp_path / "lake" / "cubes" / "zarr.json", ITEMS)
    assert find_files([tmp_path], but=tmp_path / "lake") == [str(mine)]


@pytest.mark.parametrize("name", ["missing.ndjson", "a.tif", "empty", "https://host/a.ndjson"])
def test_a_source_that_is_none_is_refused_in_words(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.tif").touch()
    (tmp_path / "empty").mkdir()
    source = name if name.startswith("https") else tmp_path / name
    with pytest.raises(UsageError) as caught:
        find_files([source])
    assert caught.value.where is not None
    assert caught.value.next_step is not None
    with pytest.raises(UsageError):
        find_files([])


def test_bad_lines_are_records_with_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    good = json.dumps(ITEMS[0]).encode()
    bad = [b"{", b'{"a": NaN}', b"\xff\xfe", b'{"id": "\\ud800"}', b"[" * 100_000]
    path.write_bytes(b"\n".join([good, *bad, good]))
    assert ids(read(path)) == [IDS[0], *["json_invalid"] * len(bad), IDS[0]]


@pytest.mark.parametrize("name", ["id", "collection"])
def test_a_lone_surrogate_in_a_name_is_a_row_of_its_own(name: str) -> None:
    record = parse(b'{"type": "Feature", "%s": "a\\ud800"}' % name.encode())
    assert (record.problem, record.doc[name]) == ("json_invalid", "a?")
    assert row_of(record)["outcome"] == "quarantined"


def test_large_items_with_the_same_beginning_are_two(tmp_path: Path) -> None:
    begun = b'{"id": "' + b"x" * (MAX_ITEM_BYTES + 10)
    path = tmp_path / "a.ndjson"
    path.write_bytes(begun + b'a"}\n' + begun + b'b"}')
    first, second = read(path)
    assert first.problem == second.problem == "item_too_large"
    assert first.digest != second.digest
    assert first.digest == hashlib.sha256(begun + b'a"}\n').hexdigest()


def test_deep_and_large_items(tmp_path: Path) -> None:
    deep = b'{"a":' * 65 + b"1" + b"}" * 65
    assert parse(deep).problem == "item_too_deep"
    assert parse(b'{"a":' * 64 + b"1" + b"}" * 64).problem is None
    path = tmp_path / "a.ndjson"
    large = b'{"id": "' + b"x" * (2 * MAX_ITEM_BYTES) + b'"}'
    path.write_bytes(large + b"\n" + json.dumps(ITEMS[0]).encode())
    records = read(path)
    assert ids(records) == ["item_too_large", IDS[0]]
    assert len(records[0].raw) < 20_000


def test_a_gzip_bomb_is_one_line_too_long(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress(b" " * (64 * 2**20)))
    assert ids(read(path)) == ["item_too_large"]


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_file_that_breaks_off_gives_what_is_before(tmp_path: Path, keep: float) -> None:
    path = write_lines(tmp_path / "a.ndjson.gz", [{**ITEMS[0], "n": n} for n in range(5000)])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    problems = [record.problem for record in read(path) if record.problem]
    assert problems[-1] == "file_unreadable"
    found = row_of(read(path)[-1])
    assert found["outcome"] == "quarantined"


def test_two_files_that_break_off_are_two_records(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        path = write_lines(tmp_path / folder / "x.ndjson.gz", ITEMS)
        path.write_bytes(path.read_bytes()[:-20])
    ends = [record for record in read(tmp_path) if record.problem == "file_unreadable"]
    assert len({record.digest for record in ends}) == 2
    assert str(tmp_path / "a" / "x.ndjson.gz") in str(row_of(ends[0])["evidence"])


def row_of(record: Record) -> dict[str, object]:
    from stac_items import FOLDER

    from geosr_lake.archives import normalise
    from geosr_lake.scenes.reading import item_schema

    return dict(normalise([record], item_schema(), folder=FOLDER).to_pylist()[0])


@pytest.mark.parametrize(
    "column",
    [
        pa.array([0, 10**18, 0, 0], pa.timestamp("us")),
        pa.array([0, 2**62, 0, 0], pa.timestamp("ms")),
        pa.array([b"a", b"\xff\xfe", b"c", b"d"]).view(pa.string()),
    ],
    ids=["us", "ms", "text"],
)
def test_a_row_with_a_value_that_is_none_is_alone_in_it(tmp_path: Path, column: pa.Array) -> None:
    path = parquet(tmp_path / "a.parquet")
    pq.write_table(pq.read_table(path).append_column("title", column), path)
    records = read(path)
    assert ids(records) == [IDS[0], "row_unreadable", *IDS[2:]]
    assert "row 1 of part 0" in str(row_of(records[1])["evidence"])


def test_a_parquet_file_without_a_row_has_no_unit(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet")
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    assert plan_units([path]) == []


def test_a_parquet_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 but not really PAR1")
    assert ids(read(path)) == ["file_unreadable"]


def test_a_file_whose_footer_comes_late_is_read_whole(tmp_path: Path) -> None:
    """It was still being copied, or its store failed, when the units were planned."""
    path = parquet(tmp_path / "a.parquet")
    table = pq.read_table(path)
    path.write_bytes(b"PAR1, and the rest is on its way")
    units = plan_units([path])
    pq.write_table(table, path, row_group_size=3)
    records = [record for unit in units for record in read_unit(unit)]
    assert ids(records) == IDS
    for most in (1, 3, 4, 9):
        some = [record for unit in first_records(units, most) for record in read_unit(unit)]
        assert ids(some) == IDS[:most]


def test_an_item_too_deep_in_a_collection_is_alone_in_it(tmp_path: Path) -> None:
    deep: list[object] = []
    for _ in range(300):
        deep = [deep]
    odd = {"id": "odd", "properties": {"x": deep}}
    page = {"type": "FeatureCollection", "features": [ITEMS[0], odd, ITEMS[1], odd, deep]}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(page))
    records = read(path)
    assert ids(records) == [IDS[0], "item_too_deep", IDS[1], "item_too_deep", "item_too_deep"]
    assert row_of(records[1])["item_id"] == "odd"
    assert records[1].digest != records[3].digest


@pytest.mark.parametrize(("fails", "ends"), [(1, None), (2, "file_unreadable")])
def test_a_file_in_a_bucket_is_damaged_if_it_fails_twice_at_one_place(
    fails: int, ends: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [json.dumps(item).encode() for item in ITEMS]
    tries = []

    def offered(_: Unit) -> Iterator[bytes]:
        tries.append(len(tries))
        yield from texts[:2]
        if len(tries) <= fails:
            raise OSError("a range ended early")
        yield from texts[2:]

    monkeypatch.setattr(module, "_offered", offered)
    monkeypatch.setattr(module.files, "check_there", lambda _: None)
    records = list(read_unit(Unit("s3://lake/a.ndjson", "lines")))
    assert ids(records) == (IDS if ends is None else [*IDS[:2], ends])
    assert len(tries) == 2


def test_what_a_store_says_is_no_damage_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def offered(_: Unit) -> Iterator[bytes]:
        yield from ()
        raise OSError("AWS Error NETWORK_CONNECTION during GetObject operation")

    monkeypatch.setattr(module, "_offered", offered)
    monkeypatch.setattr(module.files, "check_there", lambda _: None)
    with pytest.raises(EnvironmentProblemError, match="The object store did not do"):
        list(read_unit(Unit("s3://lake/a.ndjson", "lines")))


def parquet(path: Path, **changes: object) -> Path:
    """Write the items as stac-geoparquet does: properties on top, nulls where others have more."""
    import shapely

    rows = []
    for item in ITEMS:
        flat = {k: v for k, v in item.items() if k not in ("properties", "geometry", "links")}
        flat |= item["properties"]
        flat["geometry"] = shapely.from_geojson(json.dumps(item["geometry"])).wkb
        flat["assets"] = {**item["assets"], "thumbnail": None}
        flat["links"] = [{"href": "https://x.example/y", "rel": "self", "title": None}]
        flat["assets"]["thumbnail"] = {"href": None, "title": "Thumbnail"}
        rows.append({**flat, **changes})
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=3)
    return path


def test_parquet_rows_are_the_items_of_the_lines(tmp_path: Path) -> None:
    found = file_table(parquet(tmp_path / "a.parquet")).to_pylist()
    assert found == rows(*ITEMS)


def test_parquet_in_other_shapes(tmp_path: Path) -> None:
    wanted = [row(item)["content_hash"] for item in ITEMS[-1:]]
    assets = json.dumps(ITEMS[-1]["assets"])
    path = parquet(tmp_path / "a.parquet", assets=assets)
    assert file_table(path)["content_hash"].to_pylist()[-1:] == wanted
    kind = pa.map_(pa.string(), pa.struct([("href", pa.string())]))
    as_map = pa.array([list(ITEMS[-1]["assets"].items())] * 4, kind)
    table = pq.read_table(path)
    column = table.schema.get_field_index("assets")
    pq.write_table(table.set_column(column, "assets", as_map), path)
    assert file_table(path)["content_hash"].to_pylist()[-1:] == wanted


def test_a_table_without_items_is_quarantined_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": ["a", "b"], "href": ["x", "y"]}), path)
    found = file_table(path).to_pylist()
    assert [(r["outcome"], r["reason"], r["item_id"]) for r in found] == [
        ("quarantined", "not_an_item", "a"),
        ("quarantined", "not_an_item", "b"),
    ]
    assert "href" in found[0]["evidence"]


def test_units_of_parquet_are_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNIT_ROWS", 2)
    path = parquet(tmp_path / "a.parquet")
    units = plan_units([path])
    assert [(u.part, u.start, u.stop) for u in units] == [(0, 0, 2), (0, 2, 3), (1, 0, 1)]
    assert ids([r for unit in units for r in read_unit(unit)]) == IDS


def test_relative_hrefs_start_at_the_files_folder(tmp_path: Path) -> None:
    item = {**ITEMS[0], "assets": {"image": {"href": "../pixels/a.tif"}}}
    path = write_lines(tmp_path / "items" / "a.ndjson", [item])
    found = file_table(path).to_pylist()[0]
    assert dict(found["assets"]) == {"image": str(tmp_path / "pixels" / "a.tif")}
    assert Unit(str(path), "lines").folder == str(tmp_path / "items")
