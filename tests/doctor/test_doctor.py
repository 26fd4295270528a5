import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.objectstore import store
from recsys_batch import doctor
from recsys_batch.config import PROJECT_CONF
from recsys_batch.doctor import probes
from recsys_batch.errors import LakeError, SetupError
from recsys_batch.lake import s3
from recsys_batch.lake.tables import TABLES
from recsys_batch.setup import jars, machine

PROJECT = Path(__file__).resolve().parents[2]
_WITHOUT_KEY = {
    name: value for name, value in os.environ.items() if name != "RECSYS_BATCH_PSEUDONYM_KEY"
}


def run_doctor(*options: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, *options, "-m", "recsys_batch.doctor"],
        env={**_WITHOUT_KEY, **environment},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def failed(found: list[doctor.Check]) -> dict[str, doctor.Check]:
    return {check.name: check for check in found if not check.ok}


def test_nothing_is_missing_where_the_tests_run(tmp_path: Path) -> None:
    status, text = run_doctor(
        RECSYS_BATCH_LAKE=str(tmp_path / "lake"), HOME=str(tmp_path), XDG_CONFIG_HOME=""
    )
    assert status == 0, text
    assert text.rstrip().endswith("Nothing is missing.")
    assert list(tmp_path.iterdir()) == []  # looking makes nothing


def test_a_key_that_others_can_read_fails_and_is_not_printed(tmp_path: Path) -> None:
    key = tmp_path / "pseudonym.key"
    key.write_text("0123456789abcdef0123456789abcdef")
    key.chmod(0o644)
    status, text = run_doctor(RECSYS_BATCH_PSEUDONYM_KEY_FILE=str(key))
    assert status == 3
    assert f"fix: chmod 600 {key}" in text
    assert "0123456789abcdef" not in text
    key.chmod(0o600)
    status, text = run_doctor(RECSYS_BATCH_PSEUDONYM_KEY_FILE=str(key))
    assert status == 0
    assert "0123456789abcdef" not in text


def test_without_any_package_it_still_answers(tmp_path: Path) -> None:
    status, text = run_doctor("-S", RECSYS_BATCH_LAKE=str(tmp_path))
    assert status == 3
    assert "pyspark is not installed" in text
    assert "Traceback" not in text


def test_memory_is_compared_with_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base.yaml").write_text("spark: {driver_memory: 900t}\n")
    (tmp_path / "local.yaml").write_text("{}\n")
    monkeypatch.setenv("RECSYS_BATCH_CONF", str(tmp_path))
    monkeypatch.delenv("RECSYS_BATCH_ENV", raising=False)
    assert "900t wanted" in failed(doctor.checks(lake=tmp_path))["Memory"].found
    (tmp_path / "local.yaml").write_text("spark: {driver_memry: 1g}\n")
    assert "driver_memry" in failed(doctor.checks(lake=tmp_path))["Memory"].found


def test_a_taken_port_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        (tmp_path / "base.yaml").write_text(f"edge: {{port: {port}}}\n")
        (tmp_path / "local.yaml").write_text("{}\n")
        monkeypatch.setenv("RECSYS_BATCH_CONF", str(tmp_path))
        monkeypatch.delenv("RECSYS_BATCH_ENV", raising=False)
        assert not probes.port().ok
    assert probes.port().ok


def test_a_lake_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be written" in probes.lake(tmp_path / "file" / "lake").found


def test_a_table_without_a_log_is_named(tmp_path: Path) -> None:
    table = tmp_path / "sample" / TABLES["events"].layer / "events"
    table.mkdir(parents=True)
    (table / "part-0.parquet").touch()
    check = probes.lake(tmp_path)
    assert not check.ok
    assert str(table) in check.found
    (table / "_delta_log").mkdir()
    (table / "_delta_log" / "00000000000000000000.json").touch()
    assert probes.lake(tmp_path).ok


def test_an_address_is_no_lake() -> None:
    found = {check.name: check for check in doctor.checks(lake="s3://bucket/lake")}
    assert not found["Lake"].ok
    assert "lake.tables in the settings" in found["Lake"].fix


def test_tables_in_s3_must_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(PROJECT_CONF, tmp_path / "conf")
    (tmp_path / "conf" / "far.yaml").write_text("lake: {tables: s3://there/lake}\n")
    monkeypatch.setenv("RECSYS_BATCH_CONF", str(tmp_path / "conf"))
    assert probes.tables().found == "in the lake's folder"
    monkeypatch.setenv("RECSYS_BATCH_ENV", "far")
    with store(tmp_path) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(jars, "s3_jar", lambda: tmp_path / "no.jar")
        with pytest.raises(SetupError, match=r"jars for tables in S3 are not .* run `make s3`"):
            probes.tables()
        monkeypatch.setattr(jars, "s3_jar", lambda: tmp_path / "s3.log")
        s3.client.cache_clear()
        with pytest.raises(LakeError, match="s3://there/lake: S3 refuses with NoSuchBucket; corr"):
            probes.tables()
        server.bucket("there")
        assert probes.tables().found == "s3://there/lake answers"
    s3.client.cache_clear()


def test_packages_are_compared_with_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "numpy==0.0.1 \\\n    --hash=sha256:00\n"
        "not-a-package==1 ; sys_platform == 'nowhere' \\\n    --hash=sha256:00\n"
    )
    check = probes.packages(lock)
    assert not check.ok
    assert "numpy" in check.found
    assert "(locked 0.0.1)" in check.found
    assert "not-a-package" not in check.found


def test_another_spark_home_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    assert probes.delta().fix == "unset SPARK_HOME"


def test_table_shows_the_fix_below_what_failed() -> None:
    text = doctor.render(
        [doctor.Check("Java", True, "17"), doctor.Check("Disk", False, "1 GiB", "free some")]
    )
    assert text.splitlines() == [
        "ok    Java  17",
        "FAIL  Disk  1 GiB",
        "            fix: free some",
        "",
        "1 of 2 checks failed; put them right from the top down.",
    ]


@pytest.mark.parametrize(("text", "size"), [("512m", 2**29), ("4g", 2**32), ("1TB", 2**40)])
def test_amounts_of_memory(text: str, size: int) -> None:
    assert machine.parse_memory(text) == size
