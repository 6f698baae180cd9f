"""Read-only SQL over the tables, as temporary views of their pinned versions."""

from typing import TYPE_CHECKING, Any

from geosr_lake.errors import UsageError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_READING = {
    *("Aggregate", "Deduplicate", "Distinct", "Except", "Filter", "Generate", "GlobalLimit"),
    *("Intersect", "Join", "LateralJoin", "LocalLimit", "LocalRelation", "Offset"),
    *("OneRowRelation", "Pivot", "PipeOperator", "Project", "Repartition", "Sample", "Sort"),
    *("RelationTimeTravel", "RepartitionByExpression", "SubqueryAlias", "Union", "Unpivot"),
    *("UnresolvedHaving", "UnresolvedHint", "UnresolvedInlineTable", "UnresolvedRelation"),
    *("UnresolvedSubqueryColumnAliases", "UnresolvedTVFAliases", "UnresolvedTableValuedFunction"),
    *("UnresolvedWith", "WithWindowDefinition"),
}
"""Nodes of parsed plans of queries, by the name of their class."""


def run(
    spark: "SparkSession",
    views: "dict[str, DataFrame]",
    query: str,
    args: dict[str, Any] | None = None,
) -> "DataFrame":
    """Run `query` over `views`; Sedona's ``ST_`` functions are there.

    Raises:
        UsageError: If the query does not parse, does not resolve, or would write or change
            anything.
    """
    from pyspark.errors import AnalysisException, ParseException

    try:
        if not _is_query(spark, query):
            raise UsageError("Only queries can be run here", next_step="Begin with SELECT or WITH.")
        for name, frame in views.items():
            frame.createOrReplaceTempView(name)
        return spark.sql(query, args=args)
    except (ParseException, AnalysisException) as error:
        raise UsageError(
            f"The query does not work: {_first_line(error)}",
            next_step=f"Views: {', '.join(sorted(views))}.",
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _is_query(spark: "SparkSession", text: str) -> bool:
    """Tell whether the text parses to a plan of nodes that only read.

    Nodes are allowed by name: there is no one class for what writes (INSERT OVERWRITE DIRECTORY,
    RESTORE and EXECUTE IMMEDIATE are no commands yet when they are parsed).
    """
    session: Any = spark._jsparkSession  # noqa: SLF001 - Spark's parser is in the JVM only
    nodes = [session.sessionState().sqlParser().parsePlan(text)]
    while nodes:
        node = nodes.pop()
        if node.getClass().getSimpleName() not in _READING:
            return False
        children = node.children()
        nodes.extend(children.apply(i) for i in range(children.size()))
    return True
