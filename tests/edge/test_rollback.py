import time

import pytest

from recsys_batch.edge.manifest import DATA
from recsys_batch.edge.rollback import promote, rollback
from recsys_batch.edge.store import store_folder
from recsys_batch.errors import PublicationError
from recsys_batch.publish import audit
from recsys_batch.publish.pointer import POINTER, Pointer, read_current, read_pointer

from .samples import AT, build, flip_bit


@pytest.fixture
def home(tmp_path):
    for name in ("a", "b", "c"):
        build(tmp_path, name)
        promote(tmp_path, name, actor="job", at=AT)
    return tmp_path


def lines(home):
    return [(r["action"], r["subject"], r["detail"]["from"]) for r in audit.records(home)]


PROMOTIONS = [("promote", "a", None), ("promote", "b", "a"), ("promote", "c", "b")]


def test_promoting_moves_the_pointer_and_writes_a_line_each(home):
    assert read_pointer(home) == Pointer("c", "b")
    assert lines(home) == PROMOTIONS
    assert audit.verify(home).lines == 3


def test_promoting_the_live_one_again_changes_no_byte(home):
    before = {name: (home / name).read_bytes() for name in (POINTER, audit.AUDIT_LOG)}
    move = promote(home, "c", actor="job", at=AT)
    assert not move.changed
    assert {name: (home / name).read_bytes() for name in before} == before


def test_rollback_goes_to_the_previous_live_one_at_once(home):
    started = time.perf_counter()
    move = rollback(home, to=None, actor="me", at=AT)
    assert time.perf_counter() - started < 1
    assert (move.current, move.before, move.changed) == ("b", "c", True)
    assert read_pointer(home) == Pointer("b", "c")
    assert lines(home) == [*PROMOTIONS, ("rollback", "b", "c")]
    record = audit.records(home)[-1]
    assert (record["actor"], record["at"]) == ("me", AT.isoformat())


def test_rollback_goes_to_any_kept_one(home):
    rollback(home, to="a", actor="me", at=AT)
    assert read_pointer(home) == Pointer("a", "c")
    assert not rollback(home, to="a", actor="me", at=AT).changed
    assert lines(home) == [*PROMOTIONS, ("rollback", "a", "c")]


def test_going_back_and_forth_writes_every_move(home):
    for _ in range(3):
        rollback(home, to=None, actor="me", at=AT)
    assert lines(home)[3:] == [
        ("rollback", "b", "c"),
        ("rollback", "c", "b"),
        ("rollback", "b", "c"),
    ]


def test_a_rollback_to_what_is_not_there_names_what_is(home):
    with pytest.raises(PublicationError, match=r"'z' cannot go live.*: c, b, a\.$"):
        rollback(home, to="z", actor="me", at=AT)
    with pytest.raises(PublicationError, match="cannot be a publication id"):
        rollback(home, to="../b", actor="me", at=AT)
    assert read_current(home) == "c"
    assert lines(home) == PROMOTIONS


@pytest.mark.parametrize("act", [promote, rollback])
def test_a_damaged_target_is_refused_and_the_pointer_stays(home, act):
    flip_bit(store_folder(home, "b") / DATA, 40_000)
    with pytest.raises(PublicationError, match="'b' cannot go live, as the file's SHA-256"):
        if act is rollback:
            rollback(home, to="b", actor="me", at=AT)
        else:
            promote(home, "b", actor="me", at=AT)
    assert read_current(home) == "c"
    assert lines(home) == PROMOTIONS


def test_without_an_earlier_publication_there_is_no_way_back(tmp_path):
    build(tmp_path, "a")
    for _ in range(2):
        with pytest.raises(PublicationError, match="no earlier live publication"):
            rollback(tmp_path, to=None, actor="me", at=AT)
        promote(tmp_path, "a", actor="job", at=AT)


def test_an_unreadable_pointer_is_mended_by_naming_a_publication(home):
    (home / POINTER).write_bytes(b"\x00\xff")
    with pytest.raises(PublicationError, match="does not name a publication"):
        rollback(home, to=None, actor="me", at=AT)
    rollback(home, to="b", actor="me", at=AT)
    assert read_pointer(home) == Pointer("b", None)


def test_a_repeat_after_a_kill_between_line_and_move_adds_no_line(home):
    """The state such a kill leaves: the line is there, the pointer has not moved."""
    pointer = (home / POINTER).read_bytes()
    rollback(home, to="b", actor="me", at=AT)
    (home / POINTER).write_bytes(pointer)
    rollback(home, to="b", actor="me", at=AT)
    assert read_current(home) == "b"
    assert lines(home) == [*PROMOTIONS, ("rollback", "b", "c")]


def test_a_broken_audit_log_stops_the_move(home):
    log = home / audit.AUDIT_LOG
    log.write_bytes(log.read_bytes().replace(b'"job"', b'"eve"'))
    with pytest.raises(PublicationError, match="was changed after it was written"):
        rollback(home, to="b", actor="me", at=AT)
    assert read_current(home) == "c"
