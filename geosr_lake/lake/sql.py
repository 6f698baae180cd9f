"""SQL over the tables, as temporary views of their pinned versions: it reads, and no more."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from geosr_lake.errors import UsageError
from geosr_lake.lake.contracts import contracts
from geosr_lake.lake.place import Root

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import DataType

_READING = {
    *("Aggregate", "Deduplicate", "Distinct", "Except", "Filter", "Generate", "GlobalLimit"),
    *("Intersect", "Join", "LateralJoin", "LocalLimit", "LocalRelation"),
    *("NameParameterizedQuery", "Offset"),
    *("OneRowRelation", "Pivot", "PipeOperator", "Project", "Repartition", "Sample", "Sort"),
    *("RelationTimeTravel", "RepartitionByExpression", "SubqueryAlias", "Union", "Unpivot"),
    *("UnresolvedHaving", "UnresolvedHint", "UnresolvedInlineTable", "UnresolvedRelation"),
    *("UnresolvedSubqueryColumnAliases", "UnresolvedTVFAliases", "UnresolvedTableValuedFunction"),
    *("UnresolvedWith", "WithWindowDefinition"),
}
"""Nodes of parsed plans of queries, by the name of their class."""

_PRINTED = {"CTE": "UnresolvedWith"}
"""Nodes whose printed name is not their class's."""

_CALLS_JAVA = re.compile(r"\b(reflect|try_reflect|java_method|identifier)\b", re.IGNORECASE)
"""Functions that call any static method of Java, which may write; the last one names functions by
the value of a text."""

_RUNS_SCRIPT = re.compile(r"(?<![A-Za-z_])USING\s*(?:r?['\"]|--|/\*)", re.IGNORECASE)
"""What a clause TRANSFORM, MAP or REDUCE names its command with, or may behind a comment, wherever
it stands: the walk over a parsed plan does not come to the windows of a clause WINDOW."""


def run(
    spark: "SparkSession",
    frame: "Callable[[str], DataFrame]",
    query: str,
    args: dict[str, Any] | None = None,
    *,
    write_outside: Root | None = None,
) -> "DataFrame":
    """Run `query` over views of the tables it names; Sedona's ``ST_`` functions are there.

    Args:
        spark: The session.
        frame: Returns a table by its name.
        query: One statement.
        args: Values of its named markers.
        write_outside: None: nothing but a query runs. A lake's folder: temporary views may be made
            too, and folders outside of it be written.

    Raises:
        UsageError: If the query does not parse, does not resolve, or would write or change
            anything that it may not.
    """
    from pyspark.errors import AnalysisException, ParseException

    known = sorted(contracts())
    try:
        if not is_query(spark, query):
            if write_outside is None:
                raise UsageError(
                    "Only queries can be run here", next_step="Begin with SELECT or WITH."
                )
            _check_write(spark, query, write_outside)
        named = {word.lower() for word in re.findall(r"\w+", query)}
        for name in known:
            if name in named:
                frame(name).createOrReplaceTempView(name)
        with told():
            return spark.sql(query, args=args)
    except (ParseException, AnalysisException) as error:
        raise without_value(error) or UsageError(
            f"The query does not work: {_first_line(error)}",
            next_step=f"Views: {', '.join(known)}.",
        ) from error


@contextmanager
def told() -> Iterator[None]:
    """Turn what fails while a query runs (a division by zero, a file that is gone) into words."""
    from py4j.protocol import Py4JError
    from pyspark.errors import AnalysisException, ParseException, PySparkException

    try:
        yield
    except (ParseException, AnalysisException):
        raise
    except (PySparkException, Py4JError) as error:
        text = str(error)
        if "FILE_NOT_EXIST" in text or "FileNotFoundException" in text:
            raise UsageError(
                "Files of this version have been removed", next_step="Name a later commit."
            ) from error
        condition = re.search(r"\[[A-Z_]+(\.[A-Z_]+)*\][^\n]*", text)
        first = condition[0] if condition else _first_line(error)
        raise UsageError(f"The query failed: {first}") from error


def times_as_text(frame: "DataFrame") -> "DataFrame":
    """Return the frame with texts in the place of times, in the session's zone: UTC in ours.

    Pyspark gives times out as those of the machine's own zone, and does not say which that is.
    """
    names = [f"c{i}" for i in range(len(frame.columns))]
    kinds = [field.dataType for field in frame.schema]
    told = [_with_texts(kind) for kind in kinds]
    if told == kinds:
        return frame
    numbered = frame.toDF(*names)  # two columns may have one name
    return numbered.select(
        *(
            (numbered[name] if new == old else numbered[name].cast(new)).alias(column)
            for name, column, old, new in zip(names, frame.columns, kinds, told, strict=True)
        )
    )


def _with_texts(kind: "DataType") -> "DataType":
    """Return a type with text wherever it has a time."""
    from pyspark.sql import types as t

    if isinstance(kind, t.TimestampType):
        return t.StringType()
    if isinstance(kind, t.ArrayType):
        return t.ArrayType(_with_texts(kind.elementType), kind.containsNull)
    if isinstance(kind, t.MapType):
        return t.MapType(
            _with_texts(kind.keyType), _with_texts(kind.valueType), kind.valueContainsNull
        )
    if isinstance(kind, t.StructType):
        return t.StructType(
            [t.StructField(f.name, _with_texts(f.dataType), f.nullable) for f in kind]
        )
    return kind


def check_outside(file: Path, root: Root) -> None:
    """Raise unless a file that is to be written is outside the lake."""
    if meets(file.absolute().as_uri(), root):
        raise UsageError(
            "This is inside the lake", where=str(file), next_step="Name a file outside of it."
        )


def geometry_as_wkb(frame: "DataFrame") -> "DataFrame":
    """Return the frame with WKB in the place of geometry, as the lake's own columns are.

    Raises:
        UsageError: If a column holds one inside of it, or is of another type of Sedona's own: no
            other tool reads those.
    """
    from pyspark.sql import types as t

    own = {f.name: f.dataType for f in frame.schema if _holds_own(f.dataType)}
    for name, kind in own.items():
        if not isinstance(kind, t.UserDefinedType) or kind.typeName() != "geometrytype":
            raise UsageError(
                f"A Parquet file cannot hold the column {name}: {kind.simpleString()}",
                next_step="Make WKB of its geometries: ST_AsBinary(...).",
            )
    if not own:
        return frame
    from pyspark.sql import functions as f

    numbers = [f"c{i}" for i in range(len(frame.columns))]  # names may differ in case only
    return frame.toDF(*numbers).select(
        *(
            (f.expr(f"ST_AsBinary({number})") if name in own else f.col(number)).alias(name)
            for number, name in zip(numbers, frame.columns, strict=True)
        )
    )


def _holds_own(kind: "DataType") -> bool:
    """Tell whether a type is one that Sedona brings, or has one inside."""
    from pyspark.sql import types as t

    if isinstance(kind, t.ArrayType):
        return _holds_own(kind.elementType)
    if isinstance(kind, t.MapType):
        return _holds_own(kind.keyType) or _holds_own(kind.valueType)
    if isinstance(kind, t.StructType):
        return any(_holds_own(field.dataType) for field in kind)
    return isinstance(kind, t.UserDefinedType)


def write_parquet(frame: "DataFrame", file: Path) -> int:
    """Write the rows to one new file, a batch at a time; return how many they are.

    Batches come one partition after the other, in the query's order, as Arrow streams: memory does
    not grow with the rows. The file appears when it is whole.
    """
    from pyspark.sql.pandas.types import to_arrow_schema

    if len(set(frame.columns)) < len(frame.columns):
        raise UsageError("Two columns have one name", next_step="Name them apart with AS.")
    frame = geometry_as_wkb(frame)
    schema = to_arrow_schema(frame.schema, timestamp_utc=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial, rows = file.with_name(f".{file.name}.partial"), 0
    try:
        with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
            # By numbers: Spark takes no backtick in a name here.
            numbered = frame.toDF(*(f"c{i}" for i in range(len(schema))))
            for row in numbered.mapInArrow(_as_streams, "stream binary").toLocalIterator():
                table = pa.ipc.open_stream(bytes(row["stream"])).read_all()
                writer.write_table(table.rename_columns(schema.names).cast(schema))
                rows += table.num_rows
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return rows


def _as_streams(batches: "Iterable[pa.RecordBatch]") -> Iterator[pa.RecordBatch]:
    """Return each batch as a row that holds it as an Arrow stream."""
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        yield pa.record_batch({"stream": pa.array([sink.getvalue().to_pybytes()], pa.binary())})


def _check_write(spark: "SparkSession", text: str, root: Root) -> None:
    """Raise unless the statement makes a temporary view or a new folder outside the lake."""
    session: Any = spark._jsparkSession  # noqa: SLF001 - Spark's parser is in the JVM only
    plan = session.sessionState().sqlParser().parsePlan(text)
    kind, *below = _parsed_nodes(session, text)
    if set(below) <= _READING:
        if kind == "CreateViewCommand" and "Temp" in plan.viewType().toString():
            return _check_view(plan.name().table())
        if kind == "CreateTempViewUsing":
            return _check_view(plan.tableIdent().table())
        if kind == "InsertIntoDir" and plan.storage().locationUri().isDefined():
            return _check_folder(spark, plan.storage().locationUri().get(), root)
    raise UsageError(
        "This may not be written here",
        next_step="CREATE TEMP VIEW and INSERT OVERWRITE DIRECTORY outside the lake may.",
    )


def _check_view(name: str) -> None:
    if name.lower() in contracts():
        raise UsageError(f"{name} is a table of the lake", next_step="Take another name.")


def _check_folder(spark: "SparkSession", uri: Any, root: Root) -> None:
    """Raise unless the folder is outside the lake and does not hold anything: Spark empties it.

    Args:
        spark: The session, whose file systems are asked.
        uri: The folder, a `java.net.URI`.
        root: The lake.
    """
    from py4j.protocol import Py4JJavaError

    named = str(uri.toString())
    if meets(named, root):
        raise UsageError("This is inside the lake, or holds it", where=named)
    jvm: Any = spark._jvm  # noqa: SLF001 - Hadoop's file systems are in the JVM only
    session: Any = spark._jsparkSession  # noqa: SLF001
    try:
        folder = jvm.org.apache.hadoop.fs.Path(uri)
        system = folder.getFileSystem(session.sessionState().newHadoopConf())
        held = system.exists(folder) and len(system.listStatus(folder)) > 0
    except Py4JJavaError as error:
        raise UsageError(
            f"The folder cannot be looked at: {_first_line(error.java_exception.toString())}",
            where=named,
        ) from error
    if held:
        raise UsageError("This is there already", where=named, next_step="Name a new folder.")


def meets(uri: str, root: Root) -> bool:
    """Tell whether a folder is the lake's, inside it, or holds it."""
    parts = urlsplit(uri)
    if isinstance(root, Path):
        if parts.scheme not in ("", "file"):
            return False
        folder, lake = Path(unquote(parts.path)).resolve(), root.resolve()
        return folder.is_relative_to(lake) or lake.is_relative_to(folder)
    if parts.scheme not in ("s3", "s3a", "s3n"):
        return False
    inside = [part for part in unquote(parts.path).split("/") if part]
    one, other = [parts.netloc, *inside], [root.bucket, *filter(None, root.prefix.split("/"))]
    shared = min(len(one), len(other))
    return one[:shared] == other[:shared] or ".." in one


def without_value(error: Any) -> UsageError | None:
    """Return which marker has no value, in words, if that is what Spark's error says."""
    if error.getCondition() != "UNBOUND_SQL_PARAMETER":
        return None
    name = (error.getMessageParameters() or {}).get("name", "name").strip("`")
    return UsageError(
        f"The query asks for :{name}, and it is not given",
        next_step=f"Say it: `--arg {name}=VALUE`; in Python args={{'{name}': value}}.",
    )


def _first_line(error: Exception | str) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")


def is_query(spark: "SparkSession", text: str, args: dict[str, Any] | None = None) -> bool:
    """Tell whether the text parses to a plan of nodes that only read.

    Nodes are allowed by name: there is no one class for what writes (INSERT OVERWRITE DIRECTORY,
    RESTORE and EXECUTE IMMEDIATE are no commands yet when they are parsed). Where the JVM is not
    at hand (Spark Connect) the names are read off the plan that EXPLAIN prints, which runs nothing.

    Raises:
        ParseException: If the text does not parse.
        UsageError: If it holds a word that can call Java, or a command of the shell.
    """
    if (found := _CALLS_JAVA.search(text)) is not None:
        raise UsageError(f"The word {found[0]} may not stand in a query: it can call Java")
    if _RUNS_SCRIPT.search(text):
        raise UsageError(
            "USING may not stand before a text or a comment in a query: it can run a command"
        )
    if "${" in text and spark.conf.get("spark.sql.variable.substitute", "true") != "false":
        raise UsageError(
            "${ may not stand in a query here: the session puts another text in its place",
            next_step="Set spark.sql.variable.substitute to false.",
        )
    if (session := getattr(spark, "_jsparkSession", None)) is None:
        return _explained_nodes(spark, text, args) <= _READING
    return all(name in _READING for name in _parsed_nodes(session, text))


def _parsed_nodes(session: Any, text: str) -> Iterator[str]:
    """Yield the class of every node of the parsed plan, the root first.

    Also of the plans of a WITH, which are inner children, and of those in expressions.
    """
    nodes = [session.sessionState().sqlParser().parsePlan(text)]
    while nodes:
        node = nodes.pop()
        yield node.getClass().getSimpleName()
        for below in (node.children(), node.innerChildren(), node.subqueries()):
            nodes.extend(below.apply(i) for i in range(below.size()))


def _explained_nodes(spark: "SparkSession", text: str, args: dict[str, Any] | None) -> set[str]:
    """Return the first word of every line of the parsed plan as EXPLAIN prints it.

    A line that a literal of many lines makes counts as a node of an unknown name: such a query is
    refused, never let through.
    """
    row = spark.sql(f"EXPLAIN EXTENDED {text}", args=args).collect()[0]
    sections = str(row[0]).split("== Analyzed Logical Plan ==")
    if len(sections) != 2:  # a literal says so too
        return {""}
    plan = sections[0].partition("== Parsed Logical Plan ==")[2]
    lines = [line.lstrip(" +-:'|") for line in plan.splitlines() if line.strip()]
    found = {re.split(r"[^A-Za-z]", line, maxsplit=1)[0] for line in lines} or {""}
    # CTE and InlineTable print under other names than their classes.
    return {_PRINTED.get(name, name) for name in found}
