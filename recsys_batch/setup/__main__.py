"""``python -m recsys_batch.setup``: get Java, OpenMP and Delta's jars where they are missing."""

from __future__ import annotations

import argparse
import sys

from recsys_batch.errors import RecsysError
from recsys_batch.setup import jars, jdk, system


def main(arguments: list[str] | None = None) -> int:
    """Ensure a Java and the jars; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m recsys_batch.setup", description=__doc__)
    parser.add_argument(
        "--s3", action="store_true", help="also what tables in S3 need (about 13 MB)"
    )
    parser.add_argument(
        "--java-home", action="store_true", help="print where the Java is, and do nothing else"
    )
    options = parser.parse_args(arguments)
    try:
        if options.java_home:
            _say(str(jdk.require_java().home))
            return 0
        system.ensure_openmp()
        java = jdk.ensure_java()
        _say(f"Java {java.version}: {java.home}")
        if not jars.jars_present():
            _say("Fetching Delta's jars (about 13 MB) ...")
        jars.ensure_jars(java_home=java.home)
        _say(f"Delta's jars: {jars.spark_home() / 'jars'}")
        if options.s3:
            _say("Fetching the jars for tables in S3 (about 13 MB) ...")
            jars.ensure_s3_jars(java_home=java.home)
    except RecsysError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
