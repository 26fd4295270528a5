import multiprocessing

import pytest

from recsys_batch.errors import PublicationError
from recsys_batch.publish.pointer import (
    POINTER,
    Pointer,
    check_publication_id,
    move_current,
    read_current,
    read_pointer,
    replace_file,
)


def test_nothing_is_live_at_first(tmp_path):
    assert read_current(tmp_path) is None
    assert read_current(tmp_path / "not there") is None


def test_moving_remembers_what_was_live_before(tmp_path):
    assert move_current(tmp_path, "a") == Pointer("a", None)
    assert move_current(tmp_path, "b") == Pointer("b", "a")
    assert move_current(tmp_path, "a") == Pointer("a", "b")
    assert read_current(tmp_path) == "a"
    assert read_pointer(tmp_path) == Pointer("a", "b")


def test_the_file_is_these_bytes_and_moving_again_keeps_them(tmp_path):
    move_current(tmp_path, "a")
    move_current(tmp_path, "b")
    path = tmp_path / POINTER
    assert path.read_bytes() == b'{"current": "b", "previous": "a"}\n'
    inode = path.stat().st_ino
    move_current(tmp_path, "b")
    assert path.read_bytes() == b'{"current": "b", "previous": "a"}\n'
    assert path.stat().st_ino == inode


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a\n",
        b"\xff\xfe",
        b"[]",
        b'"a"',
        b'{"current": "a"}',
        b'{"current": null, "previous": "a"}',
        b'{"current": 1, "previous": null}',
        b'{"current": "../a", "previous": null}',
        b'{"current": "a", "previous": "a/b"}',
    ],
)
def test_what_is_not_a_pointer_is_refused_and_can_be_replaced(tmp_path, content):
    (tmp_path / POINTER).write_bytes(content)
    with pytest.raises(PublicationError, match=r"CURRENT: the pointer file does not name"):
        read_current(tmp_path)
    assert move_current(tmp_path, "b") == Pointer("b", None)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a\n", "-a", "a" * 129, "ä", 7])
def test_an_id_that_is_no_safe_file_name_is_refused(tmp_path, name):
    with pytest.raises(PublicationError, match="cannot be a publication id"):
        move_current(tmp_path, name)
    assert read_current(tmp_path) is None


def test_ids_as_runs_make_them_are_accepted():
    for name in ("a", "2026-01-01-3f9a", "sample_2026.01", "A" * 128):
        assert check_publication_id(name) == name


def test_a_leftover_of_a_killed_move_is_overwritten(tmp_path):
    move_current(tmp_path, "a")
    (tmp_path / f".{POINTER}.tmp").write_bytes(b'{"current": "torn')
    assert read_current(tmp_path) == "a"
    move_current(tmp_path, "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".CURRENT.lock", POINTER]


def test_the_old_file_stays_when_the_new_one_cannot_be_written(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    (tmp_path / ".file.tmp").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"


def _moves(home, names):
    for name in names:
        move_current(home, name)


def test_two_processes_moving_at_once_leave_a_pointer_of_some_order(tmp_path):
    """Every reader meanwhile sees a whole pointer, never one that repeats itself."""
    context = multiprocessing.get_context("spawn")
    mine = [[f"{writer}{i}" for i in range(60)] for writer in "ab"]
    writers = [context.Process(target=_moves, args=(tmp_path, names)) for names in mine]
    for each in writers:
        each.start()
    seen = set()
    while any(each.is_alive() for each in writers):
        pointer = read_pointer(tmp_path)
        if pointer is not None:
            seen.add(pointer)
    for each in writers:
        each.join()
        assert each.exitcode == 0
    assert all(pointer.current != pointer.previous for pointer in seen)
    assert read_current(tmp_path) in ("a59", "b59")
