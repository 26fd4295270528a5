"""After a change of keys the lake is what it would be had the new key been there all along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys_batch.errors import LakeError
from recsys_batch.ingest.pseudonyms import PseudonymKey
from recsys_batch.ingest.rotation import rekey
from recsys_batch.lake.digests import frame_digest
from recsys_batch.lake.store import Lake

from .shops import KEY, Shop, shop

pytestmark = [pytest.mark.spark, pytest.mark.soak]

NEW = PseudonymKey(b"another key for the tests", "the tests")
DATASET = shop(
    pattern="events/*",
    fields={"user_id": "lower(u)", "item_id": "i", "quantity": "q", "consent": "c"},
    profiles={"pattern": "profiles/*", "fields": {"user_id": "id", "region": "r"}},
    consents={
        "pattern": "consents/*",
        "format": "jsonl",
        "fields": {"user_id": "id", "purpose": "for", "granted": "ok", "stated_at": "at"},
    },
)
FILES: dict[str, str | bytes] = {
    "events/1.csv": "ts,u,i,q,c\n2026-01-01,Anna,a,1,yes\n2026-01-02,,a,1,\n2026-01-03,ben,a,0,\n",
    "events/2.csv": "i,u,ts,q,c\nb,ANNA,2026-01-02,1,\nb,carl,2026-01-02,1,no\n",
    "profiles/1.csv": "id,r\nanna,north\nben,south\n",
    "consents/1.jsonl": '{"id": "dora", "ok": false, "at": "2026-01-02"}\n'
    '{"id": "anna", "for": "training", "ok": true, "at": "2026-01-02"}\n',
}
MORE: dict[str, str | bytes] = {
    "events/3.csv": "ts,u,i,q,c\n2026-01-01,anna,a,1,yes\n2026-01-05,anna,c,1,\n",
    "consents/2.jsonl": '{"id": "dora", "for": "all", "ok": false, "at": "2026-01-02"}\n',
}
TABLES = ("events", "profiles", "consents", "batches", "quarantine")


def content(made: Shop) -> list[tuple[str, int]]:
    """Digests of what the tables say.

    What an event said of consent is named by the event's id, as that was when it landed.
    """
    return [frame_digest(_said(made.lake.read(name), name)) for name in TABLES]


def _said(frame: DataFrame, name: str) -> DataFrame:
    if name != "consents":
        return frame
    own = F.when(F.col("source") == "consents", F.col("event_id"))
    return frame.withColumn("event_id", own)


@pytest.fixture(scope="module")
def wanted(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The tables had the new key been there all along, before and after more landed."""
    made = Shop(spark, tmp_path_factory.mktemp("wanted"), DATASET, NEW)
    made.take(FILES)
    before = content(made)
    counts = made.take(MORE)
    assert (counts["events"].duplicate, counts["consents"].duplicate) == (1, 1)
    return [before, counts, content(made)]


class KilledError(Exception):
    """In place of a kill."""


def test_a_change_killed_at_each_table_is_noticed_and_repeated(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: list[Any]
) -> None:
    """Each kill hits the change that was to mend the one before."""
    made = Shop(spark, tmp_path, DATASET, KEY)
    made.take(FILES)
    replace, doomed = Lake.replace, ""

    def killed(self: Lake, name: str, frame: DataFrame, **owned: object) -> None:
        if name == doomed:
            raise KilledError
        replace(self, name, frame, **owned)

    for doomed in ("events", "profiles", "consents"):  # noqa: B007  the kill reads it
        with monkeypatch.context() as patched:
            patched.setattr(Lake, "replace", killed)
            with pytest.raises(KilledError):
                rekey(made.lake, dataset=DATASET, key=NEW, old=KEY)
    for key in (KEY, NEW):
        made.key = key
        with pytest.raises(LakeError, match="a change of the pseudonym key began and did not end"):
            made.take()
    rekey(made.lake, dataset=DATASET, key=NEW, old=KEY)
    before, counts, after = wanted
    assert content(made) == before
    assert made.take(MORE) == counts
    assert content(made) == after


def test_a_change_moves_each_row_once_and_the_old_key_is_refused(
    spark: SparkSession, tmp_path: Path, wanted: list[Any]
) -> None:
    made = Shop(spark, tmp_path, DATASET, KEY)
    made.take(FILES)
    made.key = NEW
    with pytest.raises(LakeError, match=f"of the key {KEY.key_id}, and the key given is"):
        made.take(MORE)
    moved = rekey(made.lake, dataset=DATASET, key=NEW, old=KEY)
    assert moved == {"events": 3, "profiles": 2, "consents": 7}
    assert content(made) == wanted[0]
    versions = [made.lake.version(name) for name in ("events", "profiles", "consents")]
    assert set(rekey(made.lake, dataset=DATASET, key=NEW, old=KEY).values()) == {0}
    assert [made.lake.version(name) for name in ("events", "profiles", "consents")] == versions
    made.key = KEY
    with pytest.raises(LakeError, match="and the key given is"):
        made.take()


def test_nothing_is_written_where_a_user_or_a_key_is_not_known(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = Shop(spark, tmp_path, DATASET, KEY)
    made.take(FILES)
    before = made.digests(*TABLES)
    other = PseudonymKey(b"yet another key for the tests", "the tests")
    with pytest.raises(LakeError, match=f"rows are of the key {KEY.key_id}"):
        rekey(made.lake, dataset=DATASET, key=NEW, old=other)
    changed = shop(pattern="events/*", fields={"user_id": "upper(u)", "item_id": "i"})
    with pytest.raises(LakeError, match="2 users are in no raw line as user_id is mapped now"):
        rekey(made.lake, dataset=changed, key=NEW, old=KEY)
    assert made.digests(*TABLES) == before
