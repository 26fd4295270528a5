"""The archive of Spark's classes is used by the JVM it was made by, and harms no other."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recsys_batch.config import SparkSettings
from recsys_batch.lake import archive, session
from recsys_batch.setup.jdk import require_java


@pytest.mark.spark
def test_the_session_reads_classes_from_the_archive(spark: SparkSession) -> None:
    made = session.class_archive()
    if not made.exists():
        pytest.skip(f"no archive was made: {made}")
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    pid = jvm.java.lang.ProcessHandle.current().pid()
    assert str(made) in Path(f"/proc/{pid}/maps").read_text()


def test_a_jvm_passes_over_an_archive_that_is_not_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.jsa"
    monkeypatch.setattr(session, "class_archive", lambda: other)
    assert "SharedArchiveFile" not in session.java_options(SparkSettings())
    other.write_text("of another JVM")
    options = session.java_options(SparkSettings()).split()
    assert f"-XX:SharedArchiveFile={other}" in options
    java = require_java().home / "bin" / "java"
    shown = subprocess.run([java, *options, "-version"], capture_output=True, text=True, check=True)
    assert "warning" not in (shown.stdout + shown.stderr).lower()


def test_an_archive_that_is_there_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "made.jsa"
    made.write_text("classes")
    monkeypatch.setattr(archive, "class_archive", lambda: made)
    assert archive.main() == 0
    assert made.read_text() == "classes"
    assert capsys.readouterr().out == ""
