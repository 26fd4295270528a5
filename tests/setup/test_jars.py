import shutil
from importlib import metadata
from pathlib import Path

import pytest

from recsys_batch.errors import SetupError
from recsys_batch.setup import ivy, jars, jdk


@pytest.fixture
def spark_copy(tmp_path: Path) -> Path:
    """Spark's folder with every jar linked but Delta's."""
    real = jars.spark_home()
    (tmp_path / "jars").mkdir()
    for each in (real / "jars").glob("*.jar"):
        if not each.name.startswith("delta-"):
            (tmp_path / "jars" / each.name).symlink_to(each)
    shutil.copytree(real / "bin", tmp_path / "bin")
    return tmp_path


def listing(home: Path) -> list[str]:
    return sorted(each.name for each in (home / "jars").iterdir())


def test_names_follow_the_installed_versions() -> None:
    delta = metadata.version("delta-spark")
    names = jars.delta_jars()
    assert len(names) == 5
    assert names[0].startswith(f"delta-spark_{metadata.version('pyspark')[:3]}_2.13-")
    assert all(name.endswith(f"-{delta}.jar") for name in names)


def test_second_call_fetches_and_touches_nothing() -> None:
    java = jdk.require_java().home
    jars.ensure_jars(java_home=java)
    folder = jars.spark_home() / "jars"
    before = {each: each.stat().st_mtime_ns for each in folder.glob("*.jar")}
    assert jars.ensure_jars(java_home=java) == ()
    assert {each: each.stat().st_mtime_ns for each in folder.glob("*.jar")} == before
    assert jars.jars_present()


def test_jars_for_s3_are_fetched_once_and_asked_for(
    spark_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jars.require_s3_jars()  # `make test` has put them there
    assert jars.ensure_s3_jars(java_home=jdk.require_java().home) == ()
    monkeypatch.setattr(jars, "spark_home", lambda: spark_copy)
    jars.s3_jar().unlink()
    with pytest.raises(SetupError, match=r"jars for tables in S3 are not in .* run `make s3`"):
        jars.require_s3_jars()


def test_missing_and_stale_jars_are_told(spark_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "spark_home", lambda: spark_copy)
    assert jars.missing_jars() == jars.delta_jars()
    assert not jars.jars_present()
    (spark_copy / "jars" / "delta-storage-3.9.9.jar").touch()
    assert jars.stale_jars() == ("delta-storage-3.9.9.jar",)
    for name in jars.delta_jars():
        (spark_copy / "jars" / name).touch()
    assert jars.jars_present()


def test_a_jar_of_another_version_is_removed(
    spark_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "spark_home", lambda: spark_copy)
    for name in (*jars.delta_jars(), "delta-spark_4.1_2.13-4.0.0.jar"):
        (spark_copy / "jars" / name).touch()
    assert jars.ensure_jars(java_home=jdk.require_java().home) == ()
    assert jars.stale_jars() == ()
    assert jars.missing_jars() == ()


@pytest.mark.spark
def test_what_cannot_be_fetched_is_one_sentence_and_leaves_nothing(
    spark_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # where nothing listens
    before = listing(spark_copy)
    with pytest.raises(SetupError, match="could not be fetched") as caught:
        ivy.fetch(
            "io.delta:delta-spark_4.2_2.13:0.0.0",
            exclude="org.*:*",
            home=spark_copy,
            java_home=jdk.require_java().home,
            wanted=("delta-spark_4.2_2.13-0.0.0.jar",),
        )
    assert "\n" not in str(caught.value)
    assert "run `make run` again with a network" in str(caught.value)
    assert listing(spark_copy) == before
