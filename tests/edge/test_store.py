import fcntl
import hashlib
import os
import random
import shutil
import subprocess
import sys
import threading
import time

import pytest

from recsys_batch.edge.bodies import encode_list
from recsys_batch.edge.manifest import DATA, MANIFEST, verify_store
from recsys_batch.edge.retention import collect, kept_publications
from recsys_batch.edge.rollback import promote
from recsys_batch.edge.store import EdgeStore, build_store, ensure_store, store_folder
from recsys_batch.errors import EdgeError, PublicationError

from .samples import AT, build, child, entries, flip_bit, items


def test_what_went_in_comes_out(tmp_path):
    manifest = build(tmp_path, "p1")
    with EdgeStore(store_folder(tmp_path, "p1")) as store:
        assert len(store) == manifest["entries"] == 43
        for key, value in entries("p1"):
            assert store.get(key) == value
        assert store.get("u:nobody") is None
        assert store.get("u:" + "x" * 600) is None
    assert sorted(path.name for path in (tmp_path / "edge" / "p1").iterdir()) == [DATA, MANIFEST]


def test_the_content_digest_is_of_lengths_keys_and_values(tmp_path):
    folder = store_folder(tmp_path, "p")
    made = build_store(folder, [("a", b"xyz"), ("b", b"")], as_of="2026-01-01", details={})
    by_hand = b"\x01\x00\x03\x00\x00\x00axyz" + b"\x01\x00\x00\x00\x00\x00b"
    assert made["content_sha256"] == hashlib.sha256(by_hand).hexdigest()
    assert made["data_sha256"] == hashlib.sha256((folder / DATA).read_bytes()).hexdigest()


def test_identical_entries_give_identical_bytes_in_any_process(tmp_path):
    """Lists over 2 KB take LMDB's overflow pages, whose tails must not hold stray memory."""
    contents = set()
    for home, perturb in (("a", "0"), ("b", "165"), ("c", "90")):
        script = (
            "from pathlib import Path; from edge.samples import build; import sys;"
            "junk = [bytes([i % 251]) * (i % 7000) for i in range(4000)]; del junk;"
            "build(Path(sys.argv[1]), 'p1', users=300, count=60)"
        )
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "MALLOC_PERTURB_": perturb,
        }
        subprocess.run([sys.executable, "-c", script, tmp_path / home], check=True, env=environment)
        folder = store_folder(tmp_path / home, "p1")
        contents.add(((folder / DATA).read_bytes(), (folder / MANIFEST).read_bytes()))
    assert len(contents) == 1


def test_building_again_changes_nothing(tmp_path):
    first = build(tmp_path, "p1")
    path = store_folder(tmp_path, "p1") / DATA
    before = path.stat()
    assert build(tmp_path, "p1") == first
    assert path.stat().st_ino == before.st_ino
    assert [each.name for each in (tmp_path / "edge").iterdir()] == ["p1"]


def test_entries_are_read_only_where_no_intact_store_of_the_same_details_is_there(tmp_path):
    folder = store_folder(tmp_path, "p")
    read = []

    def told(value: bytes):
        read.append(value)
        yield "a", value

    def ensured(value: bytes, digest: str):
        details = {"digests": {"topn_user": digest}}
        return ensure_store(folder, told(value), as_of="2026-01-01", details=details)

    made = ensured(b"x", "1")
    assert ensured(b"x", "1") == made
    assert read == [b"x"]
    with pytest.raises(EdgeError, match="the publication exists with content"):
        ensured(b"y", "2")
    flip_bit(folder / DATA, 40_000)
    assert ensured(b"x", "1") == made
    assert read == [b"x", b"y", b"x"]
    assert verify_store(folder) == made


def test_other_content_under_the_same_id_is_refused_with_both_digests(tmp_path):
    there = build(tmp_path, "p1")
    other = build(tmp_path / "other", "p1", users=41)
    with pytest.raises(EdgeError) as caught:
        build(tmp_path, "p1", users=41)
    assert there["content_sha256"] in str(caught.value)
    assert other["content_sha256"] in str(caught.value)
    assert verify_store(store_folder(tmp_path, "p1")) == there


def test_a_damaged_store_is_made_whole_by_building_again(tmp_path):
    first = build(tmp_path, "p1")
    folder = store_folder(tmp_path, "p1")
    flip_bit(folder / DATA, 12345)
    assert build(tmp_path, "p1") == first == verify_store(folder)
    (folder / MANIFEST).write_text("{}")
    assert build(tmp_path, "p1") == first == verify_store(folder)


@pytest.mark.parametrize("name", [DATA, MANIFEST])
def test_one_flipped_bit_anywhere_is_refused(tmp_path, name):
    build(tmp_path, "p1")
    path = store_folder(tmp_path, "p1") / name
    whole = path.read_bytes()
    bits = [0, len(whole) * 8 - 1, *random.Random(11).sample(range(len(whole) * 8), 60)]
    for bit in bits:
        flip_bit(path, bit)
        with pytest.raises(EdgeError):
            EdgeStore(path.parent)
        path.write_bytes(whole)
    EdgeStore(path.parent).close()


@pytest.mark.parametrize("left", [0, 1, 4096, -1])
def test_a_cut_file_is_refused_and_the_sizes_named(tmp_path, left):
    build(tmp_path, "p1")
    path = store_folder(tmp_path, "p1") / DATA
    size = path.stat().st_size
    os.truncate(path, left % size)
    with pytest.raises(EdgeError, match=f"{left % size} bytes instead of {size}"):
        EdgeStore(path.parent)


def test_a_store_under_another_name_or_missing_is_refused(tmp_path):
    build(tmp_path, "p1")
    shutil.copytree(store_folder(tmp_path, "p1"), store_folder(tmp_path, "p2"))
    with pytest.raises(EdgeError, match="of publication 'p1'"):
        EdgeStore(store_folder(tmp_path, "p2"))
    with pytest.raises(EdgeError, match="no edge store here"):
        EdgeStore(store_folder(tmp_path, "p3"))


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("b", b"1"), ("a", b"2")], "'a' follows b'b'"),
        ([("a", b"1"), ("a", b"2")], "'a' follows b'a'"),
        ([("a" * 512, b"1")], "is too long"),
        ([], "no entries"),
    ],
)
def test_entries_that_cannot_be_a_store_leave_nothing(tmp_path, pairs, message):
    with pytest.raises(EdgeError, match=message):
        build_store(store_folder(tmp_path, "p1"), pairs, as_of="2026-01-01", details={})
    assert list((tmp_path / "edge").iterdir()) == []


def test_a_failing_source_leaves_nothing(tmp_path):
    def broken():
        yield "a", b"1"
        raise OSError("the lists went away")

    with pytest.raises(OSError, match="went away"):
        build_store(
            store_folder(tmp_path, "p1"),
            broken(),
            as_of="2026-01-01",
            details={},
        )
    assert list((tmp_path / "edge").iterdir()) == []


def test_a_folder_must_be_named_as_a_publication_can_be(tmp_path):
    with pytest.raises(PublicationError, match="cannot be a publication id"):
        store_folder(tmp_path, "../p1")


def test_many_threads_read_one_store(tmp_path):
    build(tmp_path, "p1")
    expected = dict(entries("p1"))
    wrong = []
    with EdgeStore(store_folder(tmp_path, "p1")) as store:

        def read(seed):
            keys = random.Random(seed).choices(list(expected), k=3000)
            wrong.extend(key for key in keys if store.get(key) != expected[key])

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert wrong == []


def test_collect_keeps_the_live_the_previous_and_the_newest(tmp_path):
    for number, name in enumerate(("a", "b", "c", "d", "e"), start=1):
        build(tmp_path, name)
        os.utime(store_folder(tmp_path, name) / MANIFEST, (number, number))
    promote(tmp_path, "a", actor="t", at=AT)
    promote(tmp_path, "b", actor="t", at=AT)
    assert kept_publications(tmp_path) == ["e", "d", "c", "b", "a"]
    assert sorted(collect(tmp_path, 3)) == ["c", "d"]
    assert kept_publications(tmp_path) == ["e", "b", "a"]
    assert collect(tmp_path, 2) == ["e"]
    assert collect(tmp_path, 2) == []


def test_a_deleted_store_still_answers_who_has_it_open(tmp_path):
    build(tmp_path, "a", count=1)
    with EdgeStore(store_folder(tmp_path, "a")) as store:
        assert collect(tmp_path, 0) == ["a"]
        assert store.get("g:") == encode_list(items("a", 1), where="a")


def test_collect_leaves_a_running_build_alone_and_takes_a_dead_one(tmp_path):
    build(tmp_path, "a")
    process = child("kill_child", "publish", tmp_path, 0, 200_000, stdout=subprocess.PIPE)
    while not list((tmp_path / "edge").glob(".building-*/data.mdb")):
        time.sleep(0.002)
    (building,) = (tmp_path / "edge").glob(".building-*")
    collect(tmp_path, 2)
    alive = building.exists()
    process.kill()
    process.communicate()
    assert alive
    assert building.exists()
    collect(tmp_path, 2)
    assert not building.exists()


def test_a_folder_someone_else_locks_is_not_collected(tmp_path):
    building = tmp_path / "edge" / ".building-x-1"
    building.mkdir(parents=True)
    descriptor = os.open(building, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    collect(tmp_path, 2)
    assert building.exists()
    os.close(descriptor)
    collect(tmp_path, 2)
    assert not building.exists()
