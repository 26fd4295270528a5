"""The pseudonym key from its first run to its change, and vacuum after it, by the commands."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner, Result
from ingest.shops import shop
from pyspark.sql import SparkSession

from recsys_batch.cli import main
from recsys_batch.ingest.pseudonyms import KEY_VARIABLE, default_key_file
from recsys_batch.lake.ledger import read_rows

pytestmark = [pytest.mark.spark, pytest.mark.slow]

Command = Callable[..., Result]
HEAD = "ts,u,i,q\n"
FIRST = "2026-01-01,anna,a,1\n2026-01-02,ben,a,1\n2026-01-02,anna,b,1\n"
REPEATED = "2026-01-02,anna,b,1\n2026-01-03,anna,c,1\n"
DAY = ("--date", "2026-01-03")


@pytest.fixture
def command(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Commands of a user who has no key yet, in this process and the session that is there."""
    monkeypatch.delenv(KEY_VARIABLE)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(type(spark), "stop", lambda _session: None)  # others still need it
    dataset, landing = tmp_path / "shop.yaml", tmp_path / "landing"
    dataset.write_text(yaml.safe_dump({"dataset": shop().model_dump(mode="json")}))
    landing.mkdir()
    (landing / "1.csv").write_text(HEAD + FIRST)
    of = ("--dataset", str(dataset), "--lake", str(tmp_path / "lake"))

    def run(*arguments: str, status: int = 0, alone: bool = False) -> Result:
        landed = ("--landing", str(landing)) if arguments[0] == "ingest" else ()
        result = CliRunner().invoke(main, [*arguments, *(() if alone else (*of, *landed))])
        assert result.exit_code == status, result.output
        return result

    return run


def pseudonyms(folder: Path) -> set[str]:
    """Those in any file of silver, whether a version of a table still names it or not."""
    found: set[str] = set()
    for path in (folder / "silver").rglob("*.parquet"):
        if "user_key" in (table := pq.ParquetFile(path).read()).column_names:
            found |= set(table["user_key"].to_pylist())
    return found - {None}


def keys(command: Command) -> dict[str, str]:
    """The pseudonyms of the users by the current key."""
    return {each: command("user-key", each, alone=True).stdout.strip() for each in ("anna", "ben")}


def test_a_key_from_the_first_run_to_its_change(command: Command, tmp_path: Path) -> None:
    home, key = tmp_path / "lake" / "shop", tmp_path / "config" / "recsys-batch" / "pseudonym.key"
    said = command("ingest", *DAY).stderr
    assert key == default_key_file()
    assert f"notice: made a pseudonym key at {key}; keep it safe" in said.replace("\n", " ")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert "notice" not in command("ingest", *DAY).stderr
    before = {
        name: command("user-key", name, alone=True).stdout.strip() for name in ("anna", "ben")
    }
    assert pseudonyms(home) == set(before.values())

    assert f"{key}: now key " in command("pseudonym", "new-key", alone=True).stdout
    assert key.with_name("pseudonym.key.old").exists()
    (tmp_path / "landing" / "2.csv").write_text(HEAD + REPEATED)
    refused = command("ingest", *DAY, status=7).stderr
    assert "move it to this one with `recsys-batch pseudonym rekey`" in refused
    again = command("pseudonym", "new-key", alone=True, status=2).stderr
    assert "there is an old pseudonym key already" in again

    moved = command("pseudonym", "rekey").stdout
    assert "3 rows of events" in moved
    assert "next: run the day anew" in moved
    after = keys(command)
    assert not set(before.values()) & set(after.values())
    rows = read_rows(home, "events")
    assert {(row["user_key"], row["item_id"]) for row in rows} == {
        (after["anna"], "a"),
        (after["anna"], "b"),
        (after["ben"], "a"),
    }
    assert "0 rows of events" in command("pseudonym", "rekey").stdout
    taken = command("ingest", *DAY).stderr
    assert "events: 1 new files, 2 landed = 1 accepted + 0 quarantined + 1 duplicate" in taken

    assert pseudonyms(home) == {*before.values(), *after.values()}
    assert "files would be removed" in command("vacuum", "--keep-hours", "0", "--dry-run").stdout
    assert pseudonyms(home) == {*before.values(), *after.values()}
    assert "events: " in command("vacuum", "--keep-hours", "0").stdout
    assert pseudonyms(home) == set(after.values())
    assert len(read_rows(home, "events")) == 4
    assert command("vacuum", "--keep-hours", "0").stdout == "0 files removed\n"
