"""Pseudonyms are Python's own HMAC, and the key is kept as keys are."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recsys_batch.errors import ConfigError
from recsys_batch.ingest.pseudonyms import (
    FILE_VARIABLE,
    KEY_VARIABLE,
    OLD_VARIABLE,
    PseudonymKey,
    change_key,
    content_digest,
    default_key_file,
    load_key,
    load_old_key,
)

SECRET = "sixteen bytes or more"
IDS = ["17850", "müller@example.org", "O'Brien", "日本", " ", "a" * 300]


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No key in the environment, and a home of its own."""
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    monkeypatch.delenv(FILE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def test_a_pseudonym_is_the_rfc_2104_hmac() -> None:
    """Test case 2 of RFC 4231."""
    made = PseudonymKey(b"Jefe", "the RFC").user_key("what do ya want for nothing?")
    assert made == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


@pytest.mark.spark
def test_spark_makes_the_same_pseudonyms_as_python(spark: SparkSession) -> None:
    key = PseudonymKey(SECRET.encode(), "a test")
    frame = spark.createDataFrame([(each,) for each in [*IDS, None]], "id STRING")
    made = {row[0]: row[1] for row in frame.select("id", key.column(frame["id"])).collect()}
    assert made == {
        None: None,
        **{
            each: hmac.new(SECRET.encode(), each.encode(), hashlib.sha256).hexdigest()
            for each in IDS
        },
    }


@pytest.mark.spark
def test_the_secret_is_in_no_plan_and_no_representation(spark: SparkSession) -> None:
    key = PseudonymKey(SECRET.encode(), "a test")
    frame = spark.createDataFrame([("1",)], "id STRING")
    plan = frame.select(key.column(frame["id"]))._jdf.queryExecution().toString()
    assert SECRET not in plan
    assert SECRET not in repr(key)
    assert key.key_id not in SECRET
    assert len(key.key_id) == 8


def test_a_made_key_is_private_and_stays_the_same(no_key: Path) -> None:
    made, created = load_key(create=True)
    again, created_again = load_key(create=True)
    path = default_key_file()
    assert (created, created_again) == (True, False)
    assert made.secret == again.secret
    assert len(made.secret) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.is_relative_to(no_key)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_without_a_key_nothing_is_made_unless_asked(no_key: Path) -> None:
    with pytest.raises(ConfigError, match="there is no pseudonym key"):
        load_key(create=False)
    assert list(no_key.rglob("*")) == []


def test_a_named_file_is_never_made(no_key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FILE_VARIABLE, str(no_key / "mine"))
    with pytest.raises(ConfigError, match=r"mine: there is no pseudonym key"):
        load_key(create=True)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(
    no_key: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    path = no_key / "mine"
    path.write_text(SECRET)
    path.chmod(mode)
    monkeypatch.setenv(FILE_VARIABLE, str(path))
    with pytest.raises(ConfigError, match=rf"mode {mode:o}\); chmod 600"):
        load_key(create=False)
    path.chmod(0o600)
    assert load_key(create=False)[0].secret == SECRET.encode()


def test_a_short_key_is_refused_without_being_shown(
    no_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "fifteen letters")
    with pytest.raises(ConfigError, match="fewer than 16 bytes") as caught:
        load_key(create=True)
    assert "fifteen letters" not in str(caught.value)
    assert list(no_key.iterdir()) == []


def test_a_key_file_that_is_no_text_is_refused(
    no_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = no_key / "mine"
    path.write_bytes(bytes(range(128, 192)))
    path.chmod(0o600)
    monkeypatch.setenv(FILE_VARIABLE, str(path))
    with pytest.raises(ConfigError, match="is not text that can be read"):
        load_key(create=False)


def test_digests_of_parts_do_not_run_into_each_other() -> None:
    assert content_digest("ab", "c") != content_digest("a", "bc")
    assert content_digest("a", "") != content_digest("a")


@pytest.mark.usefixtures("no_key")
def test_a_change_keeps_the_key_before_and_both_stay_private() -> None:
    before, _ = load_key(create=True)
    with pytest.raises(ConfigError, match="there is no old pseudonym key"):
        load_old_key()
    made = change_key()
    assert made.secret != before.secret
    assert load_key(create=False)[0].secret == made.secret
    assert load_old_key().secret == before.secret
    path = default_key_file()
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name, f"{path.name}.old"]
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}
    with pytest.raises(ConfigError, match="there is an old pseudonym key already"):
        change_key()
    assert load_old_key().secret == before.secret


@pytest.mark.usefixtures("no_key")
def test_a_change_killed_before_the_new_key_is_repeated() -> None:
    before, _ = load_key(create=True)
    path = default_key_file()
    path.with_name(f"{path.name}.old").hardlink_to(path)
    assert change_key().secret != before.secret
    assert load_old_key().secret == before.secret


@pytest.mark.usefixtures("no_key")
def test_a_key_of_the_environment_is_changed_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, SECRET)
    with pytest.raises(ConfigError, match="is given by the environment"):
        change_key()
    monkeypatch.setenv(OLD_VARIABLE, "the key that was before")
    assert load_old_key().secret == b"the key that was before"
