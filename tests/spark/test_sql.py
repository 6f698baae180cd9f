"""`geosr sql`: views at pinned versions, the shipped queries, and nothing but queries."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from geosr_lake.cli.app import app
from geosr_lake.errors import UsageError
from geosr_lake.lake import Lake, ledger, sql, tables
from geosr_lake.lake.contracts import contracts

pytestmark = pytest.mark.spark

VIEWS = (
    *("items", "scenes", "tiles", "tile_pairs", "pairs", "sites", "site_cover", "candidates"),
    *(
        "manifest",
        "manifests",
        "funnel",
        "draws",
        "quotas",
        "shards",
        "samples",
        "runs",
        "commits",
        "slices",
    ),
    "file_summaries",
)


def command(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


def asked(built: Any, query: str, *words: str) -> list[dict[str, Any]]:
    done = command("sql", query, "--lake", str(built.lake.root), "--json", *words)
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_every_table_is_a_view(built: Any) -> None:
    assert set(VIEWS) == set(contracts())
    each = (f"SELECT '{v}' AS view, count(*) AS n FROM {v}" for v in VIEWS)  # noqa: S608
    counts = " UNION ALL ".join(each)
    found = {row["view"]: row["n"] for row in asked(built, counts)}
    assert found["scenes"] == len(built.scenes)
    assert found["pairs"] == len(built.pairs)
    assert found["manifest"] == 24
    assert found["shards"] == found["samples"] == 0
    assert found["commits"] == 3


def test_views_stay_at_the_lakes_commit(lake: Lake) -> None:
    row = dict.fromkeys(("manifest_id", "subset", "lr_tile", "hr_tile"), "x")
    with lake.stage("manifest", "build"):
        ledger.append(lake.root, "draws", [row | {"n_sites": 1, "n_drawn": 1}])
    ledger.append(lake.root, "draws", [row | {"n_sites": 1, "n_drawn": 1}])
    assert lake.sql("SELECT count(*) AS n FROM draws").collect()[0]["n"] == 1


def test_spatial_functions_are_there(built: Any) -> None:
    query = (
        "SELECT max(ST_Area(ST_GeomFromWKB(footprint_wkb))) AS a, "
        "max((xmax - xmin) * (ymax - ymin)) AS b FROM sites"
    )
    row = asked(built, query)[0]
    assert 0.9 * row["b"] < row["a"] <= row["b"]


def test_rows_of_every_type_print(built: Any) -> None:
    query = (
        "SELECT scene_id, t_start, footprint_wkb, assets, superseded, transform, "
        "DATE '2024-01-31' AS day, CAST(1.5 AS DECIMAL(3, 1)) AS share FROM scenes LIMIT 1"
    )
    row = asked(built, query)[0]
    assert row["day"] == str(date(2024, 1, 31))
    assert isinstance(row["assets"], dict)
    done = command("sql", query, "--lake", str(built.lake.root))
    assert done.exit_code == 0, done.output
    assert "bytes>" in done.stdout


def test_more_rows_than_asked_for_are_announced(built: Any) -> None:
    root = str(built.lake.root)
    done = command("sql", "SELECT site_id FROM sites", "--lake", root, "--limit", "2", "--json")
    assert len(json.loads(done.stdout)) == 2
    assert "more rows than 2" in done.stderr
    done = command("sql", "SELECT site_id FROM sites LIMIT 2", "--lake", root, "--limit", "2")
    assert "more rows" not in done.stderr


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE pairs",
        "DELETE FROM pairs",
        "UPDATE pairs SET gap_s = 0",
        "INSERT INTO pairs SELECT * FROM pairs",
        "WITH p AS (SELECT * FROM pairs) INSERT INTO pairs SELECT * FROM p",
        "FROM pairs INSERT INTO scenes SELECT * INSERT INTO tiles SELECT *",
        "INSERT OVERWRITE DIRECTORY '{path}/out' USING parquet SELECT * FROM pairs",
        "MERGE INTO pairs AS t USING pairs AS s ON t.pair_id = s.pair_id WHEN MATCHED THEN DELETE",
        "CREATE TABLE delta.`{path}/out` AS SELECT * FROM pairs",
        "CREATE OR REPLACE TEMP VIEW pairs AS SELECT 1",
        "ALTER TABLE delta.`{path}` SET TBLPROPERTIES ('a' = 'b')",
        "TRUNCATE TABLE pairs",
        "OPTIMIZE delta.`{path}`",
        "VACUUM delta.`{path}`",
        "RESTORE TABLE delta.`{path}` TO VERSION AS OF 0",
        "SET spark.sql.ansi.enabled = false",
        "EXECUTE IMMEDIATE 'DELETE FROM delta.`{path}`'",
        "EXECUTE IMMEDIATE 'SELECT 1'",
        "DECLARE x = 1",
        "ADD JAR 'x.jar'",
        "BEGIN DELETE FROM delta.`{path}`; END",
        "SELECT TRANSFORM (pair_id) USING 'touch {path}/out' AS x FROM pairs",
        "WITH t AS (SELECT TRANSFORM (1) USING 'touch {path}/out' AS x) SELECT * FROM t",
        "SELECT (SELECT TRANSFORM (1) USING 'touch {path}/out' AS x) AS y",
        "SELECT * FROM pairs WHERE EXISTS (SELECT TRANSFORM (1) USING 'touch {path}/out' AS x)",
        "SELECT * FROM pairs, LATERAL (SELECT TRANSFORM (1) USING 'touch {path}/out' AS x)",
        "SHOW TABLES",
        "SELECT reflect('java.lang.System', 'setProperty', 'geosr.test', 'x')",
        "SELECT * FROM (SELECT (SELECT `Java_Method`('java.lang.System', 'nanoTime')) AS x)",
        "WITH t AS (SELECT try_reflect('java.lang.System', 'nanoTime') AS x) SELECT * FROM t",
        "SELECT IDENTIFIER('ref' || 'lect')('java.lang.System', 'nanoTime')",
    ],
)
def test_nothing_but_queries_runs(built: Any, query: str) -> None:
    path = tables.table_path(built.lake.root, "pairs")
    before = ledger.version_of(built.lake.root, "pairs")
    with pytest.raises(UsageError):
        built.lake.sql(query.format(path=path))
    assert ledger.version_of(built.lake.root, "pairs") == before
    assert not (Path(path) / "out").exists()


@pytest.mark.parametrize(
    "query",
    [
        "WITH t AS (SELECT TRANSFORM (1) {using} AS x) SELECT * FROM t",
        "SELECT (SELECT TRANSFORM (1) {using} AS x) AS y",
        "SELECT * FROM pairs WHERE EXISTS (SELECT TRANSFORM (1) {using} AS x)",
        "SELECT * FROM pairs, LATERAL (SELECT TRANSFORM (1) {using} AS x)",
    ],
)
def test_the_walk_comes_to_the_plans_inside(spark: SparkSession, query: str) -> None:
    """Without help of the check of the text."""
    text = query.format(using="USING 'true'")
    found = set(sql._parsed_nodes(spark._jsparkSession, text))
    assert "UnresolvedScriptTransformation" in found or not found <= sql._READING, found


@pytest.mark.parametrize(
    "using",
    [
        "USING 'true'",
        'using"true"',
        "USING\n\tr'true'",
        "USING /* a */ 'true'",
        "USING /* /* a */ */ 'true'",
        "USING -- a\n'true'",
        "USING -- a\\\n b\n 'true'",
        "+ 1E-5USING 'true'",
    ],
)
def test_no_command_stands_in_a_window(spark: SparkSession, using: str) -> None:
    order = f"(SELECT TRANSFORM (1) {using} AS x)"
    text = f"SELECT rank() OVER w FROM range(3) WINDOW w AS (ORDER BY {order})"  # noqa: S608
    with pytest.raises(UsageError, match="run a command"):
        sql.is_query(spark, text)


@pytest.mark.parametrize(
    "query",
    [
        "TABLE pairs",
        "VALUES (1, 'a'), (2, 'b')",
        "FROM pairs SELECT pair_id LIMIT 3 OFFSET 1",
        "WITH p AS (SELECT * FROM pairs) SELECT a.* FROM p AS a JOIN p AS b USING (pair_id)",
        "SELECT DISTINCT lr_tile FROM pairs UNION SELECT hr_tile FROM pairs ORDER BY 1",
        "SELECT tile FROM scenes EXCEPT SELECT lr_tile FROM pairs INTERSECT SELECT 'x'",
        "SELECT lr_tile, count(*) AS n FROM pairs GROUP BY ALL HAVING count(*) > 1",
        "SELECT lr_tile, hr_tile, count(*) FROM pairs GROUP BY CUBE (lr_tile, hr_tile)",
        "SELECT rank() OVER w FROM pairs WINDOW w AS (PARTITION BY lr_tile ORDER BY gap_s)",
        "SELECT s.scene_id, role FROM scenes AS s LATERAL VIEW explode(map_keys(assets)) AS role",
        "SELECT * FROM pairs, LATERAL (SELECT gap_s / 86400 AS gap_d)",
        "SELECT * FROM site_cover PIVOT (max(frac) FOR class IN (12, 13))",
        "SELECT * FROM funnel UNPIVOT (n FOR what IN (n_in, n_dropped))",
        "SELECT * FROM pairs TABLESAMPLE (3 ROWS)",
        "SELECT * FROM range(3)",
        "SELECT /*+ BROADCAST(m) */ * FROM candidates JOIN manifests AS m USING (manifest_id)",
        "SELECT (SELECT max(gap_s) FROM pairs) AS most, EXISTS (SELECT 1 FROM sites) AS any",
        "SELECT transform(array(1, 2), x -> x + 1), reduce(array(1), 0, (a, x) -> a + x)",
        "SELECT * FROM pairs DISTRIBUTE BY lr_tile SORT BY gap_s",
        "FROM pairs |> WHERE gap_s > 0 |> AGGREGATE count(*) AS n GROUP BY lr_tile",
        "-- a comment\nSELECT 1 /* another */",
    ],
)
def test_queries_of_every_kind_run(built: Any, query: str) -> None:
    built.lake.sql(query).limit(3).collect()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["SELECT FROM"], "does not work"),
        (["SELECT nothing FROM pairs"], "does not work"),
        (["SELECT * FROM nowhere"], "Views:"),
        (["no_such_query"], "There is no shipped query"),
        (["at_cloud_limit"], "at_cloud_limit asks for max_cloud"),
        (["SELECT * FROM pairs WHERE gap_s < :most"], "The query asks for :most, and it is not"),
        (["SELECT :a + :b", "--arg", "a=1"], "`--arg b=VALUE`"),
        (["at_cloud_limit", "--arg", "max_cloud"], "NAME=VALUE"),
    ],
)
def test_a_query_that_does_not_work_is_told_in_words(
    built: Any, words: list[str], says: str
) -> None:
    done = command("sql", *words, "--lake", str(built.lake.root))
    assert done.exit_code == 2, done.output
    assert says in done.stderr
    assert "Traceback" not in done.output


def test_a_tile_of_digits_can_be_asked_for(built: Any) -> None:
    query = "SELECT count(*) AS n FROM scenes WHERE tile = :tile"
    for tile in ("033032", "'33032'"):
        assert asked(built, query, "--arg", f"tile={tile}") == [{"n": 0}]


def test_arguments_are_values_not_sql(built: Any) -> None:
    query = "SELECT count(*) AS n FROM pairs WHERE pair_id = :id"
    assert asked(built, query, "--arg", "id=x' OR '1'='1") == [{"n": 0}]
    pair = built.pairs[0]["pair_id"]
    assert asked(built, query, "--arg", f"id={pair}") == [{"n": 1}]
