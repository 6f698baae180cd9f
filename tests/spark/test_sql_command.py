"""`geosr sql`: files, forms of answers, earlier commits, what --write allows, the prompt."""

import contextlib
import csv
import io
import json
import os
import pty
import select
import signal
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake, ledger, sql, tables
from geosr_lake.lake.bucket import Bucket

pytestmark = pytest.mark.spark
REPO = Path(__file__).parents[2]
SCENES = (
    "SELECT scene_id, t_start, footprint_wkb, assets, superseded, cloud_frac, transform "
    "FROM scenes ORDER BY scene_id"
)


def command(lake: Lake, *words: str, typed: str | None = None, code: int = 0) -> Any:
    done = CliRunner().invoke(app, ["sql", *words, "--lake", str(lake.root)], input=typed)
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return done


def test_csv_json_and_parquet_hold_the_same_rows(built: Any, tmp_path: Path) -> None:
    file = tmp_path / "made" / "scenes.parquet"
    command(built.lake, SCENES, "--parquet", str(file))
    table = pq.read_table(file)
    wanted = built.lake.arrow("scenes", columns=table.column_names).sort_by("scene_id")
    assert table.cast(wanted.schema).equals(wanted)
    assert table.schema.field("t_start").type == pa.timestamp("us", tz="UTC")
    assert [p.name for p in file.parent.iterdir()] == ["scenes.parquet"]
    objects = json.loads(command(built.lake, SCENES, "--json").stdout)
    lines = list(csv.DictReader(io.StringIO(command(built.lake, SCENES, "--csv").stdout)))
    ids = table["scene_id"].to_pylist()
    assert [row["scene_id"] for row in objects] == [row["scene_id"] for row in lines] == ids
    for one, line in zip(objects, lines, strict=True):
        assert json.loads(line["assets"]) == one["assets"]
        assert line["footprint_wkb"] == one["footprint_wkb"]
        assert line["cloud_frac"] == ("" if one["cloud_frac"] is None else str(one["cloud_frac"]))


def test_geometry_in_parquet_is_wkb(built: Any, tmp_path: Path) -> None:
    """As in the lake's own columns: Sedona's bytes are no other tool's."""
    query = (
        "SELECT scene_id AS `the ``id`, ST_GeomFromWKB(footprint_wkb) AS shape, "
        "footprint_wkb AS Shape FROM scenes"
    )
    command(built.lake, query, "--parquet", str(tmp_path / "shapes.parquet"))
    rows = pq.read_table(tmp_path / "shapes.parquet")
    assert rows.column_names == ["the `id", "shape", "Shape"]
    shapes, wanted = (shapely.from_wkb(rows[n].to_pylist()) for n in rows.column_names[1:])
    assert shapely.equals_exact(shapes, wanted).all()
    nested = "SELECT array(ST_Point(1.0D, 2.0D)) AS points"
    done = command(built.lake, nested, "--parquet", str(tmp_path / "no.parquet"), code=2)
    assert "cannot hold the column points" in done.stderr
    assert not (tmp_path / "no.parquet").exists()


def test_odd_input_is_told(built: Any, tmp_path: Path) -> None:
    file = tmp_path / "query.sql"
    file.write_bytes("SELECT 'é'".encode("latin-1"))
    assert "This is no UTF-8 text" in command(built.lake, "--file", str(file), code=2).stderr
    file.write_bytes("SELECT 'é' AS e".encode("utf-8-sig"))
    assert command(built.lake, "--file", str(file), "--csv").stdout.split() == ["e", "é"]
    most = command(built.lake, "SELECT 1 AS n", "--csv", "--limit", str(2**31 - 2))
    assert most.stdout.split() == ["n", "1"]
    command(built.lake, "SELECT 1 AS n", "--csv", "--limit", str(2**31 - 1), code=2)
    large = command(built.lake, "SELECT :n AS n", "--arg", f"n={10**20}", "--csv", code=2)
    assert "Error:" in large.stderr


@pytest.fixture
def far_west(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock is not UTC's."""
    monkeypatch.setenv("TZ", "America/Denver")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_west")
def test_times_are_utc_whatever_the_machines_zone(built: Any) -> None:
    query = (
        "SELECT t_start, array(t_end) AS nested, map('t', struct(t_end)) AS deep, "
        "date(t_start) AS day, timestamp_ntz'2024-03-10 02:30:00' AS free, "
        "timestamp'2024-11-03 08:30:00.25' AS twice FROM scenes ORDER BY scene_id"
    )
    scenes = built.lake.arrow("scenes", columns=["scene_id", "t_start", "t_end"])
    wanted = scenes.sort_by("scene_id").to_pylist()
    objects = json.loads(command(built.lake, query, "--json").stdout)
    lines = list(csv.DictReader(io.StringIO(command(built.lake, query, "--csv").stdout)))
    for scene, one, line in zip(wanted, objects, lines, strict=True):
        start, end = (scene[n].replace(tzinfo=None) for n in ("t_start", "t_end"))
        assert line["t_start"] == one["t_start"]
        assert datetime.fromisoformat(one["t_start"]) == start
        assert one["day"] == start.date().isoformat()
        for text in (one["nested"][0], one["deep"]["t"]["t_end"]):
            assert datetime.fromisoformat(text) == end
        assert (one["free"], one["twice"]) == ("2024-03-10 02:30:00", "2024-11-03 08:30:00.25")
    assert "2024-11-03 08:30:00.25" in command(built.lake, query).stdout.replace("\n", "")


def test_no_file_is_written_into_the_lake(built: Any, tmp_path: Path) -> None:
    log = Path(tables.table_path(built.lake.root, "pairs")) / "_delta_log"
    (tmp_path / "link").symlink_to(log)
    for file in (log / f"{99:020}.json", tmp_path / "link" / "x.parquet"):
        told = command(built.lake, "SELECT 1 AS a", "--parquet", str(file), code=2).stderr
        assert "This is inside the lake" in told
        assert not file.exists()


def test_machines_get_all_rows_and_a_table_the_first(built: Any) -> None:
    query = "SELECT id FROM range(120)"
    assert len(json.loads(command(built.lake, query, "--json").stdout)) == 120
    assert len(command(built.lake, query, "--csv").stdout.splitlines()) == 121
    shown = command(built.lake, query)
    assert "more rows than 50" in shown.stderr
    assert len(command(built.lake, query, "--csv", "--limit", "7").stdout.splitlines()) == 8
    assert json.loads(command(built.lake, "SELECT 1 WHERE false", "--json").stdout) == []


def test_statements_from_a_file_and_from_stdin(built: Any, tmp_path: Path) -> None:
    file = tmp_path / "q.sql"
    file.write_text("-- two; of them\nSELECT 'a;b' AS x;\nSELECT count(*) AS n FROM pairs")
    told = command(built.lake, "--file", str(file)).stdout
    assert "a;b" in told
    assert str(len(built.pairs)) in told
    found = command(built.lake, "--file", "-", "--json", typed="SELECT 7 AS n;\n")
    assert json.loads(found.stdout) == [{"n": 7}]


def test_long_texts_are_clipped_in_a_table_only(built: Any) -> None:
    query = "SELECT repeat('x', 500) AS long"
    assert "x" * 119 + "\u2026" in command(built.lake, query).stdout
    assert json.loads(command(built.lake, query, "--json").stdout) == [{"long": "x" * 500}]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "no statement"),
        (["SELECT 1", "--file", "x.sql"], "two sources"),
        (["SELECT 1", "--json", "--csv"], "two forms"),
        (["SELECT 1; SELECT 2", "--json"], "2 statements have rows, and --json is one table"),
        (["SELECT 1; SELECT 2", "--csv"], "2 statements have rows"),
        (["SELECT 1; SELECT 2", "--parquet", "new.parquet"], "2 statements have rows"),
        (["--file", "nowhere.sql"], "nowhere.sql"),
        (["/* nothing */"], "no statement"),
        (["SELECT 1", "--at", "99"], "There is no commit 99"),
        (["SELECT 1", "--at", "soon"], "neither"),
        (["SELECT 1 / 0"], "DIVIDE_BY_ZERO"),
        (["SELECT 1 AS a, 2 AS a", "--parquet", "two.parquet"], "one name"),
        (["DROP VIEW x", "--write"], "may not be written"),
    ],
)
def test_what_cannot_be_done_is_told(
    built: Any, words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["sql", *words, "--lake", str(built.lake.root)])
    assert done.exit_code in (2, 4), done.output
    assert says in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_not_replaced(built: Any, tmp_path: Path) -> None:
    file = tmp_path / "there.parquet"
    file.write_text("mine")
    command(built.lake, "SELECT 1 AS a", "--parquet", str(file), code=2)
    assert file.read_text() == "mine"


def test_an_earlier_commit(lake: Lake) -> None:
    row = dict.fromkeys(("manifest_id", "subset", "lr_tile", "hr_tile"), "x")
    for number in (1, 2):
        with lake.stage("manifest", "build"):
            ledger.append(lake.root, "draws", [row | {"n_sites": number, "n_drawn": 1}])
    query = "SELECT count(*) AS n FROM draws"
    assert json.loads(command(lake, query, "--json", "--at", "0").stdout) == [{"n": 1}]
    assert json.loads(command(lake, query, "--json").stdout) == [{"n": 2}]
    for file in Path(tables.table_path(lake.root, "draws")).glob("*.parquet"):
        file.unlink()
    assert "have been removed" in command(lake, "TABLE draws", "--at", "0", code=2).stderr


def test_write_allows_views_and_folders_outside_the_lake(built: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = f"""
        CREATE OR REPLACE TEMP VIEW gaps AS SELECT pair_id, gap_s FROM pairs;
        INSERT OVERWRITE DIRECTORY '{out}' USING parquet SELECT * FROM gaps;
        SELECT count(*) AS n FROM parquet.`{out}`;
    """  # noqa: S608 - a path of this test
    found = command(built.lake, "--write", "--file", "-", "--json", typed=script)
    assert json.loads(found.stdout) == [{"n": len(built.pairs)}]
    again = f"INSERT OVERWRITE DIRECTORY '{out}' USING parquet SELECT 1 AS a"
    assert "there already" in command(built.lake, "--write", again, code=2).stderr


@pytest.mark.parametrize(
    "query",
    [
        "INSERT OVERWRITE DIRECTORY '{lake}/tables/pairs' USING parquet SELECT 1 AS a",
        "INSERT OVERWRITE DIRECTORY 'file:{lake}/new' USING parquet SELECT 1 AS a",
        "INSERT OVERWRITE DIRECTORY '{lake}/tables/../new' USING parquet SELECT 1 AS a",
        "INSERT OVERWRITE DIRECTORY '{link}/new' USING parquet SELECT 1 AS a",
        "INSERT OVERWRITE DIRECTORY '{lake}/..' USING parquet SELECT 1 AS a",
        "INSERT OVERWRITE DIRECTORY USING parquet OPTIONS (path '{lake}/new') SELECT 1 AS a",
        "INSERT INTO pairs SELECT * FROM pairs",
        "DELETE FROM delta.`{lake}/tables/pairs`",
        "CREATE OR REPLACE TEMP VIEW Pairs AS SELECT 1 AS a",
        "CREATE VIEW kept AS SELECT 1 AS a",
        "CREATE TABLE delta.`{lake}/tables/new` AS SELECT 1 AS a",
        "CREATE TABLE t USING delta LOCATION '{lake}/tables/new' AS SELECT 1 AS a",
        "VACUUM delta.`{lake}/tables/pairs`",
        "SET spark.sql.ansi.enabled = false",
    ],
)
def test_write_never_writes_the_lake(built: Any, query: str, tmp_path: Path) -> None:
    root = built.lake.root
    (tmp_path / "link").symlink_to(root)
    before = {name: ledger.version_of(root, name) for name in ("pairs", "scenes")}
    with pytest.raises(UsageError):
        built.lake.sql(query.format(lake=root, link=tmp_path / "link"), write=True)
    assert {name: ledger.version_of(root, name) for name in before} == before
    assert sorted(p.name for p in root.iterdir() if p.name == "new") == []


@pytest.mark.parametrize(
    ("folder", "says"),
    [
        ("s3a://lakes", "inside the lake, or holds it"),
        ("s3a://lakes/prod", "inside the lake, or holds it"),
        ("s3n://lakes/prod//us/x", "inside the lake, or holds it"),
        ("s3://lakes/prod/us", "inside the lake, or holds it"),
        ("s3a://lakes/other/../prod", "inside the lake, or holds it"),
        ("s3a://lakes/prod/us-export", "cannot be looked at"),  # beside it; no S3 in this session
        ("nothing://lakes/prod", "cannot be looked at"),
    ],
)
def test_write_never_writes_a_lake_in_a_bucket(built: Any, folder: str, says: str) -> None:
    query = f"INSERT OVERWRITE DIRECTORY '{folder}' USING parquet SELECT 1 AS a"
    root = Bucket.parse("s3://lakes/prod/us")
    with pytest.raises(UsageError, match=says):
        sql.run(built.lake.spark, built.lake.df, query, write_outside=root)


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, words: list[str], **env: str) -> None:
        all_of_it = os.environ | {"PYTHONPATH": str(REPO), "TERM": "xterm", "COLUMNS": "160"} | env
        self.pid, self.ours = pty.fork()
        if self.pid == 0:
            os.execvpe(words[0], words, all_of_it)  # noqa: S606
        self.seen = ""

    def type(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def expect(self, text: str, seconds: float = 120) -> None:
        """Wait until `text` is printed; forget all up to its end."""
        until = time.monotonic() + seconds
        while text not in self.seen:
            ready, _, _ = select.select([self.ours], [], [], max(0, until - time.monotonic()))
            assert ready, f"no {text!r} in {self.seen[-2000:]!r}"
            try:
                self.seen += os.read(self.ours, 65536).decode(errors="replace")
            except OSError as error:
                raise AssertionError(f"no {text!r} in {self.seen[-2000:]!r}") from error
        self.seen = self.seen.partition(text)[2]

    def interrupt(self, text: str) -> None:
        """Type Ctrl-C until `text` is printed: readline misses one that comes as it begins."""
        for _ in range(20):
            self.type("\x03")
            with contextlib.suppress(AssertionError):
                self.expect(text, seconds=3)
                return
        self.expect(text, seconds=0)


def test_the_prompt_on_a_terminal(built: Any, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "geosr_lake", "sql", "--lake", str(built.lake.root)]
    terminal, ended = Terminal(words, XDG_STATE_HOME=str(tmp_path)), False
    try:
        terminal.expect("geosr> ")
        terminal.type("\\d pairs\n")
        terminal.expect("gap_s")
        terminal.expect("geosr> ")
        terminal.type("SELECT nothing\n")
        terminal.expect("-> ")
        terminal.interrupt("geosr> ")  # forgets it
        terminal.type("SELEC 1;\n")
        terminal.expect("Error:")
        terminal.expect("geosr> ")
        terminal.type("SELECT count(*) AS n,\n")
        terminal.expect("-> ")
        terminal.type("'a;b' AS t FROM tile_pa\t;\n")  # completed to "tile_pairs"
        terminal.expect("a;b")  # echoed
        terminal.expect("a;b")
        terminal.expect("geosr> ")
        terminal.type("\\q\n")
        _, status = os.waitpid(terminal.pid, 0)
        ended = True
        assert os.waitstatus_to_exitcode(status) == 0
    finally:
        if not ended:
            os.kill(terminal.pid, signal.SIGKILL)
            os.waitpid(terminal.pid, 0)
        os.close(terminal.ours)
    history = tmp_path / "geosr" / "sql_history"
    assert "SELECT count(*) AS n," in history.read_text()
    assert history.stat().st_mode & 0o077 == 0
