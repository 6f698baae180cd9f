"""Tables that Spark writes: made from their contracts, and written through these functions only."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geosr_lake.errors import ContractError
from geosr_lake.lake.contracts import LABEL, PROPERTIES, Contract, contract
from geosr_lake.lake.place import TABLES, Root, place

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession
    from pyspark.sql.types import StructType


def segments(table: str) -> tuple[str, str]:
    """Return where `table` lies below the root of a lake."""
    return TABLES, contract(table).table


def table_path(root: Root, table: str) -> str:
    """Return the path or URL of `table` for Spark."""
    return place(root).spark_url(*segments(table))


def exists(root: Root, table: str) -> bool:
    """Tell whether the table has been made: a first version stands, not a folder for it only."""
    return place(root).has_version(*segments(table))


def schema(table: str) -> "StructType":
    """Return the contract's columns as a Spark schema."""
    from pyspark.sql.types import StructType

    parsed = StructType.fromDDL(contract(table).ddl)
    if not isinstance(parsed, StructType):
        raise ContractError(f"schemas/{table}.json has no columns")
    return parsed


def create(spark: "SparkSession", root: Root, table: str) -> None:
    """Make `table` from its contract if it is not there yet."""
    from delta.tables import DeltaTable

    if exists(root, table):
        return
    terms = contract(table)
    # A log without a version, or files without a log, are what a run leaves that was killed here;
    # Delta would refuse them.
    place(root).remove_below(*segments(table))
    builder = (
        DeltaTable.createIfNotExists(spark)
        .location(table_path(root, table))
        .comment(terms.description)
        .property("delta.enableDeletionVectors", "false")
        .property("delta.columnMapping.mode", "none")
        .property(LABEL, terms.label)
    )
    for name, value in PROPERTIES.items():
        builder = builder.property(name, value)
    for column in terms.columns:
        builder = builder.addColumn(
            column.name, column.type, nullable=column.nullable, comment=column.comment
        )
    if terms.cluster_by:
        builder = builder.clusterBy(*terms.cluster_by)
    for name, expression in terms.constraints.items():
        # What ALTER TABLE ADD CONSTRAINT would set, one commit a constraint.
        builder = builder.property(f"delta.constraints.{name}", expression)
    builder.execute()


def completed(frame: "DataFrame", table: str) -> "DataFrame":
    """Return rows of an older version of `table` with nulls in the columns that it lacks."""
    from pyspark.sql import functions as f

    present = set(frame.columns)
    return frame.select(
        *(
            f.col(c.name) if c.name in present else f.lit(None).cast(c.type).alias(c.name)
            for c in contract(table).columns
        )
    )


def checked(frame: "DataFrame", terms: Contract) -> "DataFrame":
    """Return `frame` with the contract's columns in their order.

    Raises:
        ContractError: If a column is missing, is not in the contract, or has another type.
    """
    wanted = {field.name: field.dataType.simpleString() for field in schema(terms.table).fields}
    found = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    problems = [f"column {name} is missing" for name in wanted.keys() - found.keys()]
    problems += [f"column {name} is not in the contract" for name in found.keys() - wanted.keys()]
    problems += [
        f"column {name} is {found[name]}, not {kind}"
        for name, kind in wanted.items()
        if name in found and found[name] != kind
    ]
    if problems:
        raise ContractError(
            f"Rows do not fit the table {terms.table}: {'; '.join(sorted(problems))}",
            next_step=f"See schemas/{terms.table}.json.",
        )
    return frame.select(*terms.names)


@contextmanager
def _refusing(terms: Contract) -> Iterator[None]:
    """Turn Delta's refusal of a row (a constraint, a null, a slice) into a `ContractError`."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import AnalysisException

    try:
        yield
    except AnalysisException as error:
        if error.getCondition() != "DELTA_REPLACE_WHERE_MISMATCH":
            raise
        raise ContractError(
            f"A row lies outside the part of {terms.table} that it is to replace",
            where=str(error).splitlines()[0],
        ) from error
    except Py4JJavaError as error:
        cause: Any = error.java_exception
        while cause is not None:
            if cause.getClass().getSimpleName() == "DeltaInvariantViolationException":
                first = str(cause.getMessage()).splitlines()[0]
                raise ContractError(
                    f"A row does not fit the table {terms.table}: {first}",
                    next_step=f"See schemas/{terms.table}.json.",
                ) from error
            cause = cause.getCause()
        raise


@dataclass(frozen=True)
class Txn:
    """A transaction of Delta's: it is written with the rows, and skipped where it was seen.

    Delta skips in silence what has a name that it has seen with this number or a greater one.
    """

    name: str
    number: int = 1

    @property
    def options(self) -> dict[str, str]:
        """The options of a write."""
        return {"txnAppId": self.name, "txnVersion": str(self.number)}

    @contextmanager
    def around(self, spark: "SparkSession") -> Iterator[None]:
        """Give the transaction to the one command of the block that takes no options (MERGE)."""
        keys = {f"spark.databricks.delta.write.{key}": v for key, v in self.options.items()}
        for key, value in keys.items():
            spark.conf.set(key, value)
        try:
            yield
        finally:
            for key in keys:
                spark.conf.unset(key)


def append(
    spark: "SparkSession",
    root: Root,
    table: str,
    frame: "DataFrame",
    *,
    txn: str | Txn | None = None,
) -> None:
    """Append rows; with `txn`, the same transaction a second time appends nothing.

    `txn` names what is appended. Delta skips in silence a transaction that it has seen, so the
    text must change with the rows.
    """
    create(spark, root, table)
    terms = contract(table)
    writer = checked(frame, terms).write.format("delta").mode("append")
    if txn is not None:
        writer = writer.options(**(Txn(txn) if isinstance(txn, str) else txn).options)
    with _refusing(terms):
        writer.save(table_path(root, table))


def upsert(
    spark: "SparkSession",
    root: Root,
    table: str,
    frame: "DataFrame",
    *,
    within: "DataFrame | None" = None,
    where: str | None = None,
) -> None:
    """Make the table hold `frame`'s rows, by the contract's key.

    Rows that are there and equal are left alone: the same rows again make no new version.

    Args:
        within: Distinct values of some columns of the table (say, groups that were derived
            anew), to which all of `frame` belongs. Rows of the table with these values whose key
            `frame` lacks are deleted; where the table has none, `frame` is appended, and no other
            file is touched.
        where: As at `apply`; it also holds for the rows that stay as they are.
    """
    from pyspark.sql import functions as f

    if not exists(root, table):  # nothing to compare with: no merge needed
        append(spark, root, table, frame)
        return
    terms = contract(table)
    source = checked(frame, terms)
    target = spark.read.format("delta").load(table_path(root, table))
    if where is not None:
        target = target.alias("t").where(where)
    if within is not None:
        target = target.join(within, within.columns, "left_semi").select(*terms.names)
        if target.isEmpty():
            if not source.isEmpty():
                append(spark, root, table, source)
            return
    changes = _changes(source, target, terms, deleting=within is not None).persist()
    try:
        found = changes.agg(f.count("*"), f.count_if("_known")).collect()[0]
        if found[1]:
            apply(spark, root, table, changes.drop("_known"), where=where)
        elif found[0]:  # rows that come only
            append(spark, root, table, changes.select(*terms.names))
    finally:
        changes.unpersist()


def _changes(
    source: "DataFrame", target: "DataFrame", terms: Contract, *, deleting: bool
) -> "DataFrame":
    """Return the rows that differ, with `_deleted`, and `_known`: the key is in the target."""
    from pyspark.sql import functions as f

    match = " AND ".join(f"t.`{name}` = s.`{name}`" for name in terms.key)
    equal = " AND ".join(
        f"{_comparable('t', c.name, c.type)} <=> {_comparable('s', c.name, c.type)}"
        for c in terms.columns
    )
    how = "full_outer" if deleting else "left"
    both = source.alias("s").join(target.alias("t"), f.expr(match), how)
    gone, known = (f.col(f"{side}.{terms.key[0]}") for side in ("s", "t"))
    rows = (
        f.when(gone.isNull(), f.col(f"t.{name}")).otherwise(f.col(f"s.{name}")).alias(name)
        for name in terms.names
    )
    marks = (gone.isNull().alias("_deleted"), known.isNotNull().alias("_known"))
    return both.where(f"NOT ({equal})").select(*rows, *marks)


def apply(
    spark: "SparkSession",
    root: Root,
    table: str,
    changes: "DataFrame",
    *,
    where: str | None = None,
    txn: Txn | None = None,
) -> None:
    """Apply changes to a table in one commit; files without a changed row stay as they are.

    Args:
        spark: The session.
        root: The lake.
        table: A table that is there.
        changes: The contract's columns, each key once, and `_deleted`: whether the row of this
            key goes; else it comes, or takes the place of the one that is there.
        where: A condition on the columns of the table, `t.` before each, that holds for every row
            of it that changes: files that cannot hold such rows are not read.
        txn: Written with the changes.
    """
    from delta.tables import DeltaTable

    terms = contract(table)
    match = " AND ".join(f"t.`{name}` = s.`{name}`" for name in terms.key)
    values: dict[str, str | Column] = {f"`{name}`": f"s.`{name}`" for name in terms.names}
    merge = (
        DeltaTable.forPath(spark, str(table_path(root, table)))
        .alias("t")
        .merge(changes.alias("s"), match if where is None else f"{match} AND ({where})")
        .whenMatchedDelete(condition="s._deleted")
        .whenMatchedUpdate(set=values)
        .whenNotMatchedInsert(condition="NOT s._deleted", values=values)
    )
    with _refusing(terms), txn.around(spark) if txn else nullcontext():
        merge.execute()


def _comparable(alias: str, name: str, kind: str) -> str:
    """Return a column so that it can be compared: a map cannot, its entries in order can."""
    column = f"{alias}.`{name}`"
    return f"to_json({column})" if "map<" in kind else column


def replace(
    spark: "SparkSession",
    root: Root,
    table: str,
    frame: "DataFrame",
    *,
    where: dict[str, str],
    txn: Txn | None = None,
) -> None:
    """Put `frame`'s rows in the place of those whose columns equal `where`; all must match it."""
    create(spark, root, table)
    terms = contract(table)
    condition = " AND ".join(f"`{name}` = {_literal(value)}" for name, value in where.items())
    writer = checked(frame, terms).write.format("delta").mode("overwrite")
    writer = writer.options(**txn.options) if txn else writer
    with _refusing(terms):
        writer.option("replaceWhere", condition).save(table_path(root, table))


def quoted(text: str) -> str:
    """Return a text from outside as a SQL literal of Spark's that is nothing but a literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _literal(value: str) -> str:
    """Return `value` as a SQL string literal; ids are letters, digits, ``-`` and ``_``."""
    if not value.replace("-", "").replace("_", "").isalnum():
        raise ContractError(f"{value[:80]!r} is not an id")
    return f"'{value}'"


def restore_rows(spark: "SparkSession", root: Root, table: str, version: int | None) -> None:
    """Make a new version with the rows of `version` (None: no row).

    Not Delta's RESTORE: after one, Delta would skip in silence a transaction it had seen.
    """
    path = table_path(root, table)
    if version is None:
        frame = spark.createDataFrame([], schema(table))
    else:
        frame = spark.read.format("delta").option("versionAsOf", version).load(path)
        frame = completed(frame, table)
    frame.write.format("delta").mode("overwrite").save(path)
