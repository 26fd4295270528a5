import hashlib
import json
import multiprocessing
from datetime import UTC, datetime, timedelta, timezone

import pytest

from recsys_batch.errors import PublicationError
from recsys_batch.publish.audit import AUDIT_LOG, GENESIS, append, records, verify

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def write(home, count=5, actor="job"):
    for number in range(count):
        append(
            home, action="promote", subject=f"p{number}", actor=actor, at=AT, detail={"i": number}
        )


def log(home):
    return home / AUDIT_LOG


def test_a_record_is_this_line_and_its_hash_covers_it(tmp_path):
    append(tmp_path, action="promote", subject="p", actor="zoë", at=AT, detail={"from": None})
    unsigned = (
        '{"action":"promote","actor":"zoë","at":"2026-01-02T03:04:05+00:00",'
        '"detail":{"from":null},%s"previous":"' + "0" * 64 + '","sequence":1,"subject":"p"}'
    )
    digest = hashlib.sha256((unsigned % "").encode()).hexdigest()
    assert log(tmp_path).read_text("utf-8") == unsigned % f'"hash":"{digest}",' + "\n"


def test_each_line_carries_the_hash_of_the_line_before(tmp_path):
    write(tmp_path, 3)
    one, two, three = records(tmp_path)
    assert one["previous"] == GENESIS
    assert (two["previous"], three["previous"]) == (one["hash"], two["hash"])
    assert [each["sequence"] for each in (one, two, three)] == [1, 2, 3]
    head = verify(tmp_path)
    assert (head.lines, head.hash, head.note) == (3, three["hash"], "")


def test_an_absent_log_verifies_as_empty(tmp_path):
    assert records(tmp_path) == []
    assert (verify(tmp_path).lines, verify(tmp_path).hash) == (0, GENESIS)


def test_times_are_stored_in_utc_and_must_say_their_zone(tmp_path):
    east = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    append(tmp_path, action="a", subject="s", actor="x", at=east)
    assert records(tmp_path)[0]["at"] == "2026-01-02T03:04:05+00:00"
    with pytest.raises(ValueError, match="time zone"):
        append(tmp_path, action="a", subject="s", actor="x", at=AT.replace(tzinfo=None))


def test_every_single_changed_byte_is_found_and_its_line_named(tmp_path):
    write(tmp_path, 3)
    whole = log(tmp_path).read_bytes()
    for position in range(len(whole) - 1):
        changed = bytearray(whole)
        changed[position] ^= 1
        log(tmp_path).write_bytes(changed)
        line = whole[:position].count(b"\n") + 1
        with pytest.raises(PublicationError, match=rf"line {line}: "):
            verify(tmp_path)


def _resigned(record, **changes):
    record = {**record, **changes}
    del record["hash"]
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    record["hash"] = hashlib.sha256(canonical).hexdigest()
    return json.dumps(record, sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize(
    ("forge", "line"),
    [
        (lambda lines: lines[1:], 1),
        (lambda lines: [*lines[:2], *lines[3:]], 3),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], 3),
        (lambda lines: [*lines[:1], _resigned(json.loads(lines[1]), actor="eve"), *lines[2:]], 3),
        (lambda lines: [*lines[:3], lines[3].replace(":", ": ", 1), *lines[4:]], 4),
        (lambda lines: [*lines[:2], "", *lines[2:]], 3),
    ],
    ids=["first-removed", "removed", "swapped", "repeated", "rewritten", "respaced", "blank"],
)
def test_a_forged_log_breaks_at_the_first_line_that_cannot_follow(tmp_path, forge, line):
    write(tmp_path)
    lines = log(tmp_path).read_text().splitlines()
    log(tmp_path).write_text("".join(f"{each}\n" for each in forge(lines)))
    with pytest.raises(PublicationError, match=rf"line {line}: the audit log"):
        verify(tmp_path)


def test_a_cut_end_shows_against_a_noted_head(tmp_path):
    write(tmp_path)
    noted = verify(tmp_path).hash
    append(tmp_path, action="promote", subject="later", actor="x", at=AT)
    assert verify(tmp_path, head=noted).lines == 6
    lines = log(tmp_path).read_text().splitlines(keepends=True)
    log(tmp_path).write_text("".join(lines[:3]))
    assert verify(tmp_path).lines == 3
    with pytest.raises(PublicationError, match="after line 3: the audit log ends before"):
        verify(tmp_path, head=noted)


def test_a_torn_last_line_is_ignored_by_readers_and_dropped_by_the_next_writer(tmp_path):
    write(tmp_path, 3)
    whole = log(tmp_path).read_bytes()
    start = whole.rindex(b"\n", 0, -1) + 1
    for end in range(start + 1, len(whole)):
        log(tmp_path).write_bytes(whole[:end])
        torn = end - start
        assert verify(tmp_path).lines == 2
        assert verify(tmp_path).note == f"ignored {torn} bytes of a torn last line"
        assert len(records(tmp_path)) == 2
        record = append(tmp_path, action="promote", subject="p2", actor="job", at=AT)
        assert record["note"] == f"dropped {torn} bytes of a torn last line"
        head = verify(tmp_path)
        assert (head.lines, head.hash, head.note) == (3, record["hash"], "")


def test_nothing_is_appended_to_a_broken_last_line(tmp_path):
    write(tmp_path, 2)
    whole = log(tmp_path).read_bytes()
    log(tmp_path).write_bytes(whole[:-10] + b"x" + whole[-9:])
    broken = log(tmp_path).read_bytes()
    with pytest.raises(PublicationError, match="the last line: the audit log was changed"):
        write(tmp_path, 1)
    assert log(tmp_path).read_bytes() == broken


def test_a_detail_that_json_cannot_say_writes_nothing(tmp_path):
    write(tmp_path, 1)
    before = log(tmp_path).read_bytes()
    for wrong in (float("nan"), object()):
        with pytest.raises((ValueError, TypeError)):
            append(tmp_path, action="a", subject="s", actor="x", at=AT, detail={"x": wrong})
    assert log(tmp_path).read_bytes() == before


def test_a_last_line_longer_than_a_block_is_found_whole(tmp_path):
    for size in (10, 200_000, 10):
        append(tmp_path, action="a", subject="s", actor="x", at=AT, detail={"x": "y" * size})
    assert verify(tmp_path).lines == 3


def test_two_processes_append_one_chain_and_lose_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write, args=(tmp_path, 100, actor)) for actor in "ab"]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
        assert each.exitcode == 0
    assert verify(tmp_path).lines == 200
    for actor in "ab":
        mine = [each["detail"]["i"] for each in records(tmp_path) if each["actor"] == actor]
        assert mine == list(range(100))
