"""`open_lake`: the lake in anybody's session."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from pyspark.errors import ParseException

import geosr_lake
from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake, ledger, sql, tables
from geosr_lake.lake import opened as opened_module
from geosr_lake.lake.contracts import contracts
from geosr_lake.lake.opened import OpenedLake

pytestmark = pytest.mark.spark
REPO = Path(__file__).parents[2]
ROW = dict.fromkeys(("manifest_id", "subset", "lr_tile", "hr_tile"), "x")


def draw(lake: Lake, number: int) -> None:
    """Commit one more row of `draws`."""
    with lake.stage("manifest", "build"):
        ledger.append(lake.root, "draws", [ROW | {"n_sites": number, "n_drawn": 1}])


def drawn(opened: OpenedLake) -> list[int]:
    return sorted(row["n_sites"] for row in opened.sql("SELECT n_sites FROM draws").collect())


@pytest.fixture
def session(spark: Any) -> Any:
    """A session of its own in the tests' Spark: views and settings are not shared."""
    return spark.newSession()


def test_every_table_is_a_view_and_nothing_else_changes(built: Any, session: Any) -> None:
    settings = {row["key"]: row["value"] for row in session.sql("SET").collect()}
    opened = geosr_lake.open_lake(session, str(built.lake.root))
    assert opened.versions == built.lake.versions
    assert {t.name for t in session.catalog.listTables() if t.isTemporary} == set(contracts())
    for name in contracts():
        view, table = session.table(name), opened.df(name)
        assert view.schema == table.schema
        assert view.count() == built.lake.arrow(name).num_rows
    assert {row["key"]: row["value"] for row in session.sql("SET").collect()} == settings


def test_views_stay_and_move_with_refresh(lake: Lake, session: Any) -> None:
    draw(lake, 1)
    opened = geosr_lake.open_lake(session, str(lake.root), prefix="my_")
    draw(lake, 2)
    count = "SELECT count(*) AS n FROM my_draws"
    assert session.sql(count).collect()[0]["n"] == 1
    assert drawn(opened) == [1]
    assert opened.commit == 0
    opened.refresh()
    assert session.sql(count).collect()[0]["n"] == 2
    assert drawn(opened) == [1, 2]
    assert opened.versions == Lake.open(lake.root).versions


@pytest.mark.slow
def test_views_move_together_or_not_at_all(lake: Lake, session: Any) -> None:
    draw(lake, 1)
    opened = geosr_lake.open_lake(session, str(lake.root))
    names = ("runs", "draws", "commits")
    before = {name: session.table(name).count() for name in names}
    draw(lake, 2)
    log = Path(tables.table_path(lake.root, "draws")) / "_delta_log"
    newest = log / f"{ledger.version_of(lake.root, 'draws'):020}.json"
    text = newest.read_text()
    newest.unlink()
    for _ in range(2):
        with pytest.raises(UsageError, match="no longer keeps draws"):
            opened.refresh()
        assert {name: session.table(name).count() for name in names} == before
        assert opened.commit == 0
        assert drawn(opened) == [1]
    newest.write_text(text)
    opened.refresh()
    assert {name: session.table(name).count() for name in names} == dict.fromkeys(names, 2)


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ("dbfs:/lakes/us", "dbfs:/lakes/us"),
        ("file:/data/lake", "file:/data/lake"),
        ("s3a://bucket/lake/", "s3a://bucket/lake"),
        ("lakes/us", str(Path("lakes/us").absolute())),
    ],
)
def test_a_place_stays_as_its_platform_names_it(given: str, place: str) -> None:
    assert opened_module.place_of(given) == place


def test_an_earlier_commit_by_number_and_time(lake: Lake, session: Any) -> None:
    for number in (1, 2, 3):
        draw(lake, number)
    opened = geosr_lake.open_lake(session, str(lake.root))
    times = [r["committed_at"] for r in lake.arrow("commits").sort_by("seq").to_pylist()]
    assert drawn(opened.at(0)) == drawn(lake_at(lake, 0)) == [1]
    assert drawn(opened.at(times[1])) == drawn(opened.at(times[1].isoformat())) == [1, 2]
    assert drawn(opened.at(times[2])) == drawn(lake_at(lake, times[2])) == [1, 2, 3]
    assert session.table("draws").count() == 3
    for when in (9, "2000-01-01", "soon"):
        with pytest.raises(UsageError):
            opened.at(when)
        with pytest.raises(UsageError):
            lake.at(when)


def lake_at(lake: Lake, when: Any) -> Any:
    return lake.at(when)


@pytest.mark.slow
def test_a_version_that_is_gone_is_told(lake: Lake, session: Any) -> None:
    for number in (1, 2):
        draw(lake, number)
    opened = geosr_lake.open_lake(session, str(lake.root))
    path = str(tables.table_path(lake.root, "draws"))
    session.sql(f"DELETE FROM delta.`{path}`")  # noqa: S608 - a path of this test
    session._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(
        session._jsparkSession, path
    ).checkpoint()
    log = Path(path) / "_delta_log"
    for version in range(int(opened.versions["draws"]) + 1):
        (log / f"{version:020}.json").unlink()
    session._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
    with pytest.raises(UsageError, match="no longer keeps draws"):
        opened.at(0)


@pytest.mark.slow
def test_names_that_are_taken_are_not_taken_away(built: Any, session: Any) -> None:
    session.range(3).createOrReplaceTempView("pairs")
    with pytest.raises(UsageError, match=r"pairs.*prefix"):
        geosr_lake.open_lake(session, str(built.lake.root))
    assert {t.name for t in session.catalog.listTables() if t.isTemporary} == {"pairs"}
    opened = geosr_lake.open_lake(session, str(built.lake.root), prefix="lake_")
    assert session.table("pairs").count() == 3
    assert session.table("lake_pairs").count() == len(built.pairs)
    # The handle's own queries know the tables by their names, whatever the views are called.
    assert opened.sql("SELECT count(*) AS n FROM pairs").collect()[0]["n"] == len(built.pairs)
    geosr_lake.open_lake(session, str(built.lake.root), prefix="lake_")  # a cell run again
    geosr_lake.open_lake(session, str(built.lake.root), replace=True)
    assert session.table("pairs").count() == len(built.pairs)


@pytest.mark.parametrize(
    "query", ["SELECT ref${x}lect('java.lang.System', 'nanoTime')", "SELECT '${x}'"]
)
def test_no_text_is_put_into_a_query(built: Any, session: Any, query: str) -> None:
    """As sessions do unless they are told not to; the lake's own is told."""
    opened = geosr_lake.open_lake(session, str(built.lake.root))
    session.conf.set("spark.sql.variable.substitute", "true")
    with pytest.raises(UsageError, match="another text in its place"):
        opened.sql(query)
    session.conf.set("spark.sql.variable.substitute", "false")
    assert opened.sql("SELECT '${x}' AS x").collect()[0]["x"] == "${x}"


@pytest.mark.parametrize("prefix", ["a.", "1", "a b", "`"])
def test_a_prefix_is_a_name(built: Any, session: Any, prefix: str) -> None:
    with pytest.raises(UsageError, match="cannot begin"):
        geosr_lake.open_lake(session, str(built.lake.root), prefix=prefix)


def test_no_lake(session: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no lake here"):
        geosr_lake.open_lake(session, str(tmp_path))


def test_odd_folders(spark: Any, session: Any, tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "a `lake` of mine; -- \u00e9")
    draw(lake, 7)
    assert drawn(geosr_lake.open_lake(session, str(lake.root))) == [7]


@pytest.mark.parametrize(
    "query",
    [
        "WITH p AS (SELECT * FROM pairs) SELECT a.* FROM p AS a JOIN p AS b USING (pair_id)",
        "FROM pairs |> WHERE gap_s > 0 |> AGGREGATE count(*) AS n GROUP BY lr_tile;",
        "TABLE pairs -- all of them",
        "VALUES (1, 'pairs')",
        "SELECT a.*, b.* FROM PAIRS AS a CROSS JOIN Scenes AS b ORDER BY 1 LIMIT 2",
        "SELECT max(ST_Area(ST_GeomFromWKB(footprint_wkb))) FROM sites",
    ],
)
def test_queries_of_the_handle_are_those_of_the_lake(built: Any, session: Any, query: str) -> None:
    opened = geosr_lake.open_lake(session, str(built.lake.root))
    ours, wanted = opened.sql(query), built.lake.sql(query.rstrip(";"))
    assert ours.columns == wanted.columns
    assert sorted(map(str, ours.collect())) == sorted(map(str, wanted.collect()))


def test_the_handle_only_reads(built: Any, session: Any) -> None:
    opened = geosr_lake.open_lake(session, str(built.lake.root))
    for query in ("DELETE FROM pairs", "CREATE TABLE x AS SELECT 1", "WITH p AS (SELECT 1) DROP"):
        with pytest.raises(UsageError):
            opened.sql(query)
    with pytest.raises(UsageError, match="There is no table"):
        opened.df("scene")
    with pytest.raises(UsageError, match="asks for :most"):
        opened.sql("SELECT * FROM pairs WHERE gap_s < :most")


@pytest.mark.slow
def test_the_check_by_explain_agrees_with_the_parser(built: Any, session: Any) -> None:
    """What Connect uses, where there is no parser at hand, is compared with the parser."""
    from tests.spark import test_sql

    geosr_lake.open_lake(session, str(built.lake.root))
    (refused,) = test_sql.test_nothing_but_queries_runs.pytestmark
    (run,) = test_sql.test_queries_of_every_kind_run.pytestmark
    for text in refused.args[1]:
        if sql._CALLS_JAVA.search(text):
            continue  # refused for the word, before there is a plan
        try:
            names = sql._explained_nodes(session, text.format(path=built.lake.root / "x"), None)
        except ParseException as error:
            assert "PARSE_SYNTAX_ERROR" in str(error)  # noqa: PT017 - EXPLAIN takes it not
            continue
        assert not names <= sql._READING, text
    for text in run.args[1]:
        assert sql._explained_nodes(session, text, None) <= sql._READING, text
    assert not sql._explained_nodes(session, "SELECT 'a\nb'", None) <= sql._READING


@pytest.mark.slow
def test_a_session_without_delta_or_sedona_is_told(built: Any) -> None:
    code = """
        import sys
        from pyspark.sql import SparkSession
        from geosr_lake import open_lake
        from geosr_lake.errors import GeoSRError
        builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
        if sys.argv[2] == "delta":
            from geosr_lake.lake.session import JARS, ivy_dir
            builder = (
                builder.config("spark.jars.packages", JARS[0])
                .config("spark.jars.ivy", str(ivy_dir()))
                .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
                .config("spark.sql.catalog.spark_catalog",
                        "org.apache.spark.sql.delta.catalog.DeltaCatalog")
            )
        try:
            lake = open_lake(builder.getOrCreate(), sys.argv[1])
            print("pairs:", lake.sql("SELECT count(*) FROM pairs").collect()[0][0])
            lake.sql("SELECT ST_Point(1.0, 2.0)")
        except GeoSRError as error:
            print(type(error).__name__, error)
    """

    def told(kind: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), str(built.lake.root), kind],
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": str(REPO)},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    assert "EnvironmentProblemError This Spark session has no Delta" in told("plain")
    found = told("delta")
    assert f"pairs: {len(built.pairs)}" in found
    assert "UsageError The query does not work" in found
    assert "This session has no Sedona" in found
