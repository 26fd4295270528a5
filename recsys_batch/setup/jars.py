"""Delta's jars, and those for S3, fetched once into Spark's own ``jars/`` folder.

With them there every session, worker and spark-submit has Delta with no ``--packages``, which
would resolve again, for seconds, at each start. They come through Spark's own resolver (Ivy), so
that a mirror set in the user's Spark configuration (``spark.jars.ivySettings``) is honoured.
"""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

from recsys_batch.errors import SetupError
from recsys_batch.setup import ivy

# Of Delta's dependencies these five suffice; the others serve catalogues that we do not use.
_PREFIXES = (
    "delta-spark_",
    "delta-storage-",
    "delta-kernel-api-",
    "delta-kernel-defaults-",
    "delta-kernel-unitycatalog-",
)

# hadoop-aws asks for all of AWS in one jar of 700 MB. These modules, of the version that it was
# made with, are what it uses; what they need beside, such as Netty, comes with Spark.
_AWS_SDK = "2.35.4"
_AWS_MODULES = ("s3-transfer-manager", "sts")
_AWS_UNUSED = ",".join(
    (
        *("software.amazon.awssdk:bundle", "software.amazon.encryption.s3:*"),
        *("org.wildfly.openssl:*", "org.slf4j:*", "org.bouncycastle:*", "com.*:*", "io.*:*"),
        *("org.apache.httpcomponents:*", "commons-codec:*", "commons-logging:*"),
    )
)


def spark_home() -> Path:
    """Return the folder of the installed pyspark; raise `SetupError` where there is none."""
    try:
        # Under spark-submit `import pyspark` finds a zip; the distribution is where the jars are.
        return Path(str(metadata.distribution("pyspark").locate_file("pyspark")))
    except metadata.PackageNotFoundError as error:
        raise SetupError(
            "pyspark is not installed",
            where=sys.prefix,
            fix="run `make run`, which installs requirements.lock",
        ) from error


def delta_jars() -> tuple[str, ...]:
    """Return the file names of the jars that the installed pyspark and delta-spark call for."""
    delta = _delta_version()
    spark = ".".join(metadata.version("pyspark").split(".")[:2])
    scala = ".".join(_bundled("scala-library").split(".")[:2])
    return (
        f"delta-spark_{spark}_{scala}-{delta}.jar",
        *(f"{prefix}{delta}.jar" for prefix in _PREFIXES[1:]),
    )


def jars_present() -> bool:
    """Whether each of `delta_jars` lies in Spark's ``jars/`` folder."""
    return not missing_jars()


def missing_jars() -> tuple[str, ...]:
    """Return the names of Delta's jars that are not in Spark's ``jars/`` folder."""
    folder = spark_home() / "jars"
    return tuple(name for name in delta_jars() if not (folder / name).is_file())


def stale_jars() -> tuple[str, ...]:
    """Return the names of Delta's jars of other versions, which would shadow the right ones."""
    wanted = set(delta_jars())
    folder = spark_home() / "jars"
    return tuple(
        sorted(
            each.name
            for prefix in _PREFIXES
            for each in folder.glob(f"{prefix}*.jar")
            if each.name not in wanted
        )
    )


def foreign_spark_home() -> str | None:
    """Return ``$SPARK_HOME`` where it names another Spark than the installed pyspark, else None."""
    named = os.environ.get("SPARK_HOME")
    if named and Path(named).resolve() != spark_home().resolve():
        return named
    return None


def ensure_jars(*, java_home: Path) -> tuple[str, ...]:
    """Fetch Delta's jars where they are missing; return the names of the jars that were fetched.

    Raises
    ------
    SetupError
        They could not be fetched, as without a network.
    """
    for name in stale_jars():
        (spark_home() / "jars" / name).unlink(missing_ok=True)
    if jars_present():
        return ()
    wanted = delta_jars()
    version = _delta_version()
    artifact = wanted[0].removesuffix(f"-{version}.jar")
    return ivy.fetch(
        f"io.delta:{artifact}:{version}",
        exclude="org.*:*,com.*:*,io.unitycatalog:*",
        home=spark_home(),
        java_home=java_home,
        wanted=wanted,
    )


def ensure_s3_jars(*, java_home: Path) -> tuple[str, ...]:
    """Fetch what tables in S3 need (about 13 MB); return the names that were fetched.

    Raises
    ------
    SetupError
        They could not be fetched, as without a network.
    """
    if s3_jar().is_file():
        return ()
    fetched = ivy.fetch(
        f"org.apache.hadoop:hadoop-aws:{_bundled('hadoop-client-api')}",
        also=tuple(f"software.amazon.awssdk:{name}:{_AWS_SDK}" for name in _AWS_MODULES),
        exclude=_AWS_UNUSED,
        home=spark_home(),
        java_home=java_home,
        wanted=None,
    )
    class_archive().unlink(missing_ok=True)  # it was made of the jars that there were
    return fetched


def s3_jar() -> Path:
    """Where the jar lies, or would, through which Spark reads S3; it is put there last."""
    return spark_home() / "jars" / f"hadoop-aws-{_bundled('hadoop-client-api')}.jar"


def class_archive() -> Path:
    """Where the archive of Spark's loaded classes lies, or would (`recsys_batch.lake.archive`)."""
    return spark_home() / "recsys-batch.jsa"


def require_s3_jars() -> None:
    """Raise `SetupError` where a lake's tables lie in S3 and the jars to read them are missing."""
    if not s3_jar().is_file():
        raise SetupError(
            "the jars for tables in S3 are not in Spark's jars folder",
            where="pyspark/jars",
            fix="run `make s3`, or `python -m recsys_batch.setup --s3`, on every machine",
        )


def _delta_version() -> str:
    try:
        return metadata.version("delta-spark")
    except metadata.PackageNotFoundError as error:
        raise SetupError(
            "delta-spark is not installed",
            where=sys.prefix,
            fix="run `make run`, which installs requirements.lock",
        ) from error


def _bundled(artifact: str) -> str:
    """Return the version of a jar that pyspark brings along, such as scala-library."""
    folder = spark_home() / "jars"
    for each in sorted(folder.glob(f"{artifact}-*.jar")):
        return each.name.removeprefix(f"{artifact}-").removesuffix(".jar")
    raise SetupError(
        f"pyspark's jars folder has no {artifact}",
        where=str(folder),
        fix="remove the .venv folder and run `make run`, which installs it anew",
    )
