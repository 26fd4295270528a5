"""Profiles and consent from landing files to silver."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recsys_batch.contracts.rules import CONSENT_RULES, PROFILE_RULES
from recsys_batch.errors import ContractError
from recsys_batch.features.consent import refusals
from recsys_batch.ingest.conservation import Conservation
from recsys_batch.lake.ledger import read_rows, replace_rows

from .shops import KEY, Shop, shop

pytestmark = pytest.mark.spark

PROFILES = "user,region,segment,born,band,likes,since,all,train,own\n"
PROFILE_LINES = [
    ("anna,north,regular,1980,40-49,tools|books,2026-01-02,yes,,no", None),
    ("ben,,,,,,,,,", None),
    (",north,,,,,,,,", "missing_user"),
    ("anna,north,,,,,soon,,,", "bad_time"),
    ("anna,north,,,,,2026-01-12,,,", "future_time"),
    ("anna,north,,young,,,,,,", "bad_birth_year"),
    ("anna,north,,1800,,,,,,", "birth_year_out_of_range"),
    ("anna,north,,,,;,,,,", "bad_preferences"),
    ("anna,north,,,,,,perhaps,,", "bad_consent"),
    ("anna,north,,,,,,,perhaps,", "bad_consent_training"),
    ("anna,north,,,,,,,,perhaps", "bad_consent_personalization"),
    ("anna,n\xffrth,,,,,,,,", "not_utf8"),
    ("anna", "malformed"),
]
CONSENT_LINES = [
    ({"id": "anna", "what": "Personalisation", "ok": True, "at": "2026-01-03"}, None),
    ({"id": "ben", "ok": False, "at": "2026-01-03T10:00:00+01:00"}, None),
    ({"id": "ben", "what": "all", "ok": "no", "at": "2026-01-03T09:00:00Z"}, "duplicate"),
    ({"ok": False, "at": "2026-01-03"}, "missing_user"),
    ({"id": "anna", "ok": False}, "missing_time"),
    ({"id": "anna", "ok": False, "at": "then"}, "bad_time"),
    ({"id": "anna", "ok": False, "at": "2026-01-12"}, "future_time"),
    ({"id": "anna", "what": "Fun", "ok": True, "at": "2026-01-03"}, "unknown_purpose"),
    ({"id": "anna", "what": "ads", "ok": "perhaps", "at": "2026-01-03"}, "bad_consent"),
    ({"id": "anna", "what": "ads", "at": "2026-01-03"}, "missing_consent"),
]
DATASET = shop(
    pattern="events/*",
    fields={"user_id": "u", "item_id": "i", "quantity": "q", "consent": "c"},
    profiles={
        "pattern": "profiles/*",
        "fields": {
            "user_id": "user",
            "region": "region",
            "cohort": "segment",
            "birth_year": "born",
            "age_band": "band",
            "preferences": "likes",
            "valid_from": "since",
            "consent": "all",
            "consent_training": "train",
            "consent_personalization": "own",
        },
    },
    consents={
        "pattern": "consents/*",
        "format": "jsonl",
        "fields": {"user_id": "id", "purpose": "what", "granted": "ok", "stated_at": "at"},
        "other_purposes": ["fun", "ads"],
        "max_quarantined_share": 0.4,
    },
)
HEAD = "ts,u,i,q,c\n"
ANNA, BEN, CARL = (KEY.user_key(each) for each in ("anna", "ben", "carl"))


@pytest.fixture(scope="module")
def people(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = Shop(spark, tmp_path_factory.mktemp("people"), DATASET)
    events = [
        "2026-01-01,carl,a,1,yes",
        "2026-01-02,carl,b,1,no",
        "2026-01-04,carl,c,1,",
        "2026-01-02,carl,d,1,no",
        "2026-01-02,,d,1,no",
    ]
    profiles = PROFILES + "".join(f"{line}\n" for line, _ in PROFILE_LINES)
    made.counts = made.take(  # type: ignore[attr-defined]
        {
            "profiles/1.csv": profiles.encode("latin-1"),
            "consents/1.jsonl": "".join(json.dumps(each) + "\n" for each, _ in CONSENT_LINES),
            "events/1.csv": HEAD + "\n".join(events),
        }
    )
    return made


def test_each_rule_is_hit_and_rows_are_conserved(people: Shop) -> None:
    found = {
        (row[0], row[1]): row[2] for row in people.rows("quarantine", "source", "line", "reason")
    }
    profiles = {("profiles", n): why for n, (_, why) in enumerate(PROFILE_LINES, start=2) if why}
    consents = {
        ("consents", n): why
        for n, (_, why) in enumerate(CONSENT_LINES, start=1)
        if why and why != "duplicate"
    }
    assert found == {**profiles, **consents}
    assert set(profiles.values()) == {each.reason for each in PROFILE_RULES} - {"oversized"}
    assert set(consents.values()) == {each.reason for each in CONSENT_RULES} - {
        *("not_utf8", "malformed", "oversized"),
    }
    assert people.counts == {  # type: ignore[attr-defined]
        "profiles": Conservation(1, 13, 2, 11, 0),
        "consents": Conservation(1, 10, 2, 7, 1),
        "events": Conservation(1, 5, 5, 0, 0),
    }


def test_profiles_arrive_as_they_were_meant(people: Shop) -> None:
    names = ("user_key", "region", "cohort", "birth_year", "age_band", "preferences", "valid_from")
    found = {row[0]: row[1:] for row in people.rows("profiles", *names)}
    since = dt.datetime(2026, 1, 2)
    assert found == {
        ANNA: ("north", "regular", 1980, "40-49", ["books", "tools"], since),
        BEN: (None,) * 6,
    }
    assert people.rows("profiles", "key_id") == [(KEY.key_id,)] * 2


def test_each_source_states_consent_by_purpose(people: Shop) -> None:
    """A line without an answer says nothing; of a batch of events, the last of each answer."""
    names = ("user_key", "purpose", "granted", "source", "stated_at")
    morning = dt.datetime(2026, 1, 3, 9)
    both = ("training", "personalization")
    assert set(people.rows("consents", *names)) == {
        (ANNA, "training", True, "profiles", dt.datetime(2026, 1, 2)),
        (ANNA, "personalization", False, "profiles", dt.datetime(2026, 1, 2)),
        (ANNA, "personalization", True, "consents", dt.datetime(2026, 1, 3)),
        *((BEN, purpose, False, "consents", morning) for purpose in both),
        *((CARL, purpose, True, "events", dt.datetime(2026, 1, 1)) for purpose in both),
        *((CARL, purpose, False, "events", dt.datetime(2026, 1, 2)) for purpose in both),
    }
    refused = refusals(people.lake.read("consents"), horizon=9)
    assert {(row[0], row[1]) for row in refused.collect()} == {
        (ANNA, "personalization"),
        *((user, purpose) for user in (BEN, CARL) for purpose in both),
    }


def test_a_statement_is_taken_once_and_a_killed_batch_leaves_none(people: Shop) -> None:
    """As if killed when all of a batch but its end was written."""
    again = dict(CONSENT_LINES[1][0])
    new = {"id": "carl", "what": "training", "ok": True, "at": "2026-01-05"}
    lines = "".join(json.dumps(each) + "\n" for each in (again, new))
    assert people.take({"consents/2.jsonl": lines})["consents"] == Conservation(1, 2, 1, 0, 1)
    tables = ("raw_consents", "consents", "batches")
    before = people.digests(*tables)
    last = [row for row in read_rows(people.lake.home, "batches") if row["batch_seq"] == 4]
    started = [{**row, "status": "started"} for row in last]
    replace_rows(people.lake.home, "batches", started, batch_seq=4)
    assert people.take()["consents"] == Conservation(1, 2, 1, 0, 1)
    assert people.digests(*tables) == before


def test_a_line_of_consent_that_cannot_be_understood_stops_the_run(
    spark: SparkSession, tmp_path: Path
) -> None:
    """It may be a withdrawal; its purpose is told only where it looks like a name."""
    made = Shop(spark, tmp_path, DATASET)
    no = {"id": "anna", "what": "training", "ok": False, "at": "2026-01-03"}
    good = [json.dumps({**no, "id": f"u{n}"}) + "\n" for n in range(30)]
    made.land({"events/1.csv": f"{HEAD}2026-01-01,anna,a,1,\n", "profiles/1.csv": PROFILES})
    for given, told in (
        ({"what": "train"}, "purpose: before training, personalization or all, now 'train' in 1"),
        (
            {"what": "jo@example.org"},
            "now values that are no names in 1 lines, first consents/1.js",
        ),
        ({"ok": "nein"}, "granted: before true or false, now neither in 1 lines, first"),
        ({"ok": None}, "granted: before true or false, now empty in 1 lines, first"),
    ):
        made.land({"consents/1.jsonl": "".join([*good, json.dumps({**no, **given}) + "\n"])})
        with pytest.raises(ContractError) as caught:
            made.take()
        assert told in str(caught.value)
        assert "line 31" in str(caught.value)
        assert "jo@" not in str(caught.value)
        assert not read_rows(made.lake.home, "batches", source="consents")
        assert made.rows("consents", "user_key") == []
        rows = read_rows(made.lake.home, "schemas", source="consents")
        assert {row["verdict"] for row in rows} == {"refused"}
        assert any(told in (row["change"] or "") for row in rows)
    made.land({"consents/1.jsonl": "".join([*good, json.dumps({**no, "what": "all"}) + "\n"])})
    assert made.take()["consents"] == Conservation(1, 31, 31, 0, 0)


def test_a_line_of_consent_that_cannot_be_used_stops_the_run(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Nobody can tell whose refusal it is; lines of purposes that are not ours do not count."""
    consents = {
        "pattern": "consents/*",
        "fields": {"user_id": "id", "purpose": "for", "granted": "ok", "stated_at": "at"},
        "other_purposes": ["e-mail"],
    }
    made = Shop(spark, tmp_path, shop(pattern="events/*", consents=consents))
    head, good = "id,for,ok,at\n", "anna,training,no,2026-01-03\n"
    harmless = ",e-mail,no,2026-01-03\n"
    made.land({"events/1.csv": "ts,u,i,q\n2026-01-01,anna,a,1\n"})
    for broken, reason in (
        ("ben,training\n", "malformed"),
        (",training,no,2026-01-03\n", "missing_user"),
        ("ben,training,no,then\n", "bad_time"),
    ):
        made.land({"consents/1.csv": head + good + harmless + broken})
        with pytest.raises(ContractError) as caught:
            made.take()
        told = str(caught.value)
        assert "1 of 3 statements of consent would be quarantined" in told
        assert f"\n  1 {reason}, first consents/1.csv, line 4\n" in told
        assert "source consents" in told
        assert "raise the share" in told
        assert read_rows(made.lake.home, "batches") == []
        assert made.rows("consents", "user_key") == made.rows("quarantine", "line") == []
    made.dataset = shop(pattern="events/*", consents={**consents, "max_quarantined_share": 0.34})
    assert made.take()["consents"] == Conservation(1, 3, 1, 2, 0)
    assert made.rows("consents", "user_key", "granted") == [(ANNA, False)]


def test_no_raw_user_id_lies_past_bronze(people: Shop) -> None:
    for table in ("profiles", "consents", "events"):
        assert "anna" not in str(people.lake.read(table).collect())
    assert "anna" in str(people.rows("raw_profiles", "record"))


def test_mappings_name_what_they_lack() -> None:
    for given in ({"user_id": "u", "granted": "g"}, {"user_id": "u", "colour": "c"}):
        with pytest.raises(ValueError, match=r"must map (granted, )?stated_at"):
            shop(consents={"pattern": "*", "fields": given})
    with pytest.raises(ValueError, match=r"unknown fields \['colour'\]"):
        shop(profiles={"pattern": "*", "fields": {"user_id": "u", "colour": "c"}})
