"""Fetch jars from Maven through Spark's own resolver (Ivy), all of them or none.

A mirror set in the user's Spark configuration (``spark.jars.ivySettings``) is honoured, and no
repository is named here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from recsys_batch.errors import SetupError

_TIMEOUT_SECONDS = 900


def fetch(
    coordinate: str,
    *,
    also: tuple[str, ...] = (),
    exclude: str,
    home: Path,
    java_home: Path,
    wanted: tuple[str, ...] | None,
) -> tuple[str, ...]:
    """Resolve Maven coordinates and put their jars into Spark's ``jars/`` folder.

    Parameters
    ----------
    coordinate
        ``group:artifact:version``.
    also
        Further coordinates.
    exclude
        Comma-separated ``group:artifact`` patterns of dependencies that are left out.
    home
        Spark's folder, which has ``bin/spark-submit`` and ``jars/``.
    java_home
        The Java to run it with.
    wanted
        File names (``artifact-version.jar``) to keep; null keeps every jar that was resolved.

    Returns
    -------
    tuple of str
        File names of the jars, the coordinate's own last: when it is there, all are.

    Raises
    ------
    SetupError
        A jar could not be fetched, or not be written; none is there in half.
    """
    _, artifact, version = coordinate.split(":")
    own = f"{artifact}-{version}.jar"
    with tempfile.TemporaryDirectory(prefix="recsys-jars-") as name:
        scratch = Path(name)
        output = _resolve(
            ",".join((coordinate, *also)),
            exclude=exclude,
            scratch=scratch,
            home=home,
            java_home=java_home,
        )
        # Ivy writes {group}_{artifact}-{version}.jar; no group has an underscore.
        got = {each.name.split("_", 1)[1]: each for each in (scratch / "jars").glob("*.jar")}
        names = set(got if wanted is None else wanted) | {own}
        if not names <= set(got):
            raise SetupError(
                f"{coordinate} could not be fetched ({_reason(output)})",
                where=str(home / "jars"),
                fix="run `make run` again with a network; behind a proxy set HTTPS_PROXY, and "
                "for a Maven mirror set spark.jars.ivySettings in spark-defaults.conf",
            )
        ordered = (*sorted(names - {own}), own)
        for each in ordered:
            _install(got[each], home / "jars" / each)
    return ordered


def _install(source: Path, target: Path) -> None:
    """Copy to the target's own file system, then rename: a reader sees no half of a jar."""
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.copyfile(source, partial)
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise SetupError(
            f"the jar could not be written ({error.strerror})",
            where=str(target),
            fix="make that folder writable, with free space, and run `make run` again",
        ) from error


def _resolve(coordinates: str, *, exclude: str, scratch: Path, home: Path, java_home: Path) -> str:
    """Run spark-submit on an empty script, so that all it does is resolve; return its output."""
    script = scratch / "nothing.py"
    script.write_text("")
    proxy = _proxy_options()
    command = [
        str(home / "bin" / "spark-submit"),
        *("--master", "local[1]", "--packages", coordinates, "--exclude-packages", exclude),
        *("--conf", f"spark.jars.ivy={scratch}"),
        *(("--driver-java-options", proxy) if proxy else ()),
        str(script),
    ]
    environment = {
        **os.environ,
        "JAVA_HOME": str(java_home),
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
    }
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {_TIMEOUT_SECONDS} s"
    return done.stdout


def _proxy_options() -> str:
    """Hand the environment's HTTPS proxy to the JVM, which does not read it by itself."""
    proxy = urlsplit(os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or "")
    if not proxy.hostname:
        return ""
    return f"-Dhttps.proxyHost={proxy.hostname} -Dhttps.proxyPort={proxy.port or 443}"


def _reason(output: str) -> str:
    """Pick the line of the resolver's output that says what went wrong."""
    for pattern in (r"Host \S+ not found", r"module not found: \S+", r"unresolved dependency: \S+"):
        match = re.search(pattern, output)
        if match:
            return match[0]
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no output"
