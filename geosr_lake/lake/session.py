"""The one place that makes the Spark session (`SparkSession` with Sedona and Delta)."""

import contextlib
import fcntl
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from geosr_lake.errors import EnvironmentProblemError
from geosr_lake.java import JAVA_VERSION, java_version
from geosr_lake.lake.bucket import OWN_SESSION, SPARK_JARS_MB
from geosr_lake.lake.locks import DRIVER_VARIABLE, driver_mark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PACKAGES = {"pyspark": "4.0.5", "delta-spark": "4.4.0", "apache-sedona": "1.8.0"}
JARS = (
    "io.delta:delta-spark_4.0_2.13:4.4.0",
    "org.apache.sedona:sedona-spark-shaded-4.0_2.13:1.8.0",
)
JARS_MB = 160
"""Size of the jars with what they bring, for the announcement of the first download."""

_LOG4J = """
rootLogger.level = error
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.target = SYSTEM_ERR
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n
"""


def check_stack() -> list[str]:
    """Return one sentence for each thing about Java and the Python packages that is wrong."""
    problems = []
    java = java_version()
    if java is None:
        problems.append(
            f"No Java was found: install a Java {JAVA_VERSION} runtime and put it on PATH or set "
            "JAVA_HOME."
        )
    elif java != JAVA_VERSION:
        problems.append(
            f"Java {java} was found but Spark needs Java {JAVA_VERSION}: install it and set "
            "JAVA_HOME to it."
        )
    for name, wanted in PACKAGES.items():
        if (found := version(name)) != wanted:
            problems.append(
                f"{name} {found} is installed but the jars need {wanted}: install from "
                "requirements/."
            )
    return problems


def ivy_dir() -> Path:
    """Return the folder where Spark's resolver keeps the jars."""
    return Path(os.environ.get("GEOSR_IVY_DIR", Path.home() / ".ivy2.5.2"))


def jars_present(more: tuple[str, ...] = ()) -> bool:
    """Tell whether the jars (and `more` of them) have been downloaded before."""
    wanted = (*JARS, *more)
    names = [coordinate.replace(":", "_", 1).replace(":", "-") + ".jar" for coordinate in wanted]
    return all((ivy_dir() / "jars" / name).is_file() for name in names)


@contextlib.contextmanager
def _one_download(more: tuple[str, ...] = ()) -> Iterator[None]:
    """Let one process at a time fetch the jars: two that write Ivy's folder spoil it."""
    ivy_dir().mkdir(parents=True, exist_ok=True)
    with (ivy_dir() / "geosr.lock").open("a") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        if jars_present(more):
            fcntl.flock(gate, fcntl.LOCK_UN)
        yield


def _settings(scratch: Path, jars: tuple[str, ...]) -> dict[str, str]:
    log4j = scratch / "log4j2.properties"
    log4j.write_text(_LOG4J)
    return {
        OWN_SESSION: "true",
        "spark.jars.packages": ",".join(jars),
        "spark.jars.ivy": str(ivy_dir()),
        "spark.sql.extensions": (
            "io.delta.sql.DeltaSparkSessionExtension,org.apache.sedona.sql.SedonaSqlExtensions"
        ),
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
        "spark.kryo.registrator": "org.apache.sedona.core.serde.SedonaKryoRegistrator",
        "spark.kryoserializer.buffer.max": "512m",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.variable.substitute": "false",
        "spark.speculation": "false",
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        # Small lakes on one machine: the log of a table is small, so are the shuffles.
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.extraJavaOptions": (
            f"-Dlog4j2.configurationFile=file:{log4j} -Dderby.system.home={scratch} "
            # Java's own warnings would go to stdout, where commands print JSON and CSV.
            "-Xlog:disable -Xlog:all=warning:stderr -XX:+DisplayVMOutputToStderr"
        ),
    }


_LOCAL = {
    "spark.sql.shuffle.partitions": "8",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


@contextlib.contextmanager
def _stderr_to(path: Path) -> Iterator[None]:
    """Point file descriptor 2 at `path`: the JVM inherits it, Python gets its own back."""
    sys.stderr.flush()
    kept = os.dup(2)
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(target, 2)
    os.close(target)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _last_lines(log: Path, count: int = 5) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-count:])


def runs_here() -> bool:
    """Tell whether Spark works on this machine alone: by its session, or as it would be started."""
    from pyspark.sql import SparkSession

    if _submitted() or SparkSession.getActiveSession() is not None:
        return str(spark_session().sparkContext.master).startswith("local")
    return _master().startswith("local")


def _submitted() -> bool:
    """Tell whether `spark-submit` runs this process."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def _master() -> str:
    return os.environ.get("GEOSR_MASTER", "local[*]")


def spark_session(
    *,
    tell: Callable[[str], None] | None = None,
    more_jars: tuple[str, ...] = (),
    extra: dict[str, str] | None = None,
) -> "SparkSession":
    """Return the process's Spark session, made on first call.

    ``GEOSR_MASTER`` (default ``local[*]``) and ``GEOSR_DRIVER_MEMORY`` (default ``2g``) say where
    and how large. Under ``spark-submit`` the master, the memory and the jars are those given
    there. What Spark and Ivy print goes to a file, which an error names.

    Args:
        tell: Called with one sentence before the first download of the jars.
        more_jars: Coordinates of jars for a session that is made now; one that is there stays.
        extra: Settings besides our own, for a session that is made now.

    Raises:
        EnvironmentProblemError: If Java, the packages or the jars are not as they must be.
    """
    from pyspark.sql import SparkSession

    if (active := SparkSession.getActiveSession()) is not None:
        return active
    if problems := check_stack():
        raise EnvironmentProblemError(problems[0], next_step="Run `geosr doctor` for more.")
    submitted = _submitted()
    scratch = Path(tempfile.mkdtemp(prefix="geosr-spark-"))
    log = scratch / "spark.log"
    log.touch(mode=0o600)
    if not submitted and tell:
        _announce(tell, more_jars)
    if not submitted or "PYSPARK_PYTHON" not in os.environ:
        # The workers' Python: this one, but where a submitted job says what its machines have.
        os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    # What a killed process leaves behind is known by this, and waited for (lake/locks.py).
    os.environ[DRIVER_VARIABLE] = driver_mark(psutil.Process())
    builder = SparkSession.builder.appName("geosr_lake")
    settings = _settings(scratch, (*JARS, *more_jars))
    if not submitted:
        master = _master()
        settings["spark.driver.memory"] = os.environ.get("GEOSR_DRIVER_MEMORY", "2g")
        settings |= _LOCAL if master.startswith("local") else {}
        builder = builder.master(master)
    for key, value in (settings | (extra or {})).items():
        builder = builder.config(key, value)
    try:
        with contextlib.ExitStack() as around:
            if not submitted:
                around.enter_context(_one_download(more_jars))
                around.enter_context(_stderr_to(log))
            session = builder.getOrCreate()
    except Exception as error:  # py4j raises anything; all of it is environment
        raise EnvironmentProblemError(
            f"Spark did not start: {_last_lines(log) or type(error).__name__}",
            where=str(log),
            next_step="Run `geosr doctor`.",
        ) from error
    # PySpark logs every error it also raises, with the JVM's whole stack.
    logging.getLogger("SQLQueryContextLogger").disabled = True
    _check_jars(session)
    return session


def _announce(tell: Callable[[str], None], more_jars: tuple[str, ...]) -> None:
    if not jars_present():
        tell(f"Downloading the jars of Delta and Sedona (about {JARS_MB} MB, once) ...")
    if more_jars and not jars_present(more_jars):
        tell(f"Downloading the jars of Hadoop for S3 (about {SPARK_JARS_MB} MB, once) ...")


def _check_jars(session: "SparkSession") -> None:
    """Raise unless the classes of Delta (in the right version) and of Sedona are loaded."""
    jvm: Any = session.sparkContext._jvm  # noqa: SLF001 - the only way to ask the JVM
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    for cls in (
        "io.delta.sql.DeltaSparkSessionExtension",
        "org.apache.sedona.sql.SedonaSqlExtensions",
    ):
        try:
            loader.loadClass(cls)
        except Exception as error:  # py4j wraps ClassNotFoundException
            raise EnvironmentProblemError(
                f"The class {cls} is not on Spark's class path",
                next_step=f"Give spark-submit `--packages {','.join(JARS)}`.",
            ) from error
    found = str(jvm.io.delta.package.VERSION())
    if found != PACKAGES["delta-spark"]:
        raise EnvironmentProblemError(
            f"The Delta jar is {found} but the Python package is {PACKAGES['delta-spark']}",
            next_step=f"Use the jar {JARS[0]}.",
        )
