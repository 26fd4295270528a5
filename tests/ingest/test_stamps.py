"""Files that did not change are told unread; any change that the system sees is read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys_batch.errors import LandingError
from recsys_batch.ingest import landing, stamps
from recsys_batch.ingest.landing import LandingFile, Taken, new_files
from recsys_batch.ingest.stamps import Stamps, kept_stamps

from .shops import shop

MAPPING, GROWS = shop().events, shop(growing="append", header=False, columns=["x"]).events
Look = Callable[..., tuple[LandingFile, ...]]


def took(content: bytes) -> Taken:
    return Taken(hashlib.sha256(content).hexdigest(), len(content))


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read."""
    names: list[str] = []
    real = landing._look

    def look(name: str, *given: object) -> LandingFile | None:
        names.append(name)
        return real(name, *given)

    monkeypatch.setattr(landing, "_look", look)
    monkeypatch.setattr(stamps, "_TICK", 0)  # the test's changes follow at once
    return names


@pytest.fixture
def new(tmp_path: Path) -> Look:
    """What is new in the folder `landing`, by the stamps that a lake keeps."""
    (tmp_path / "landing").mkdir()

    def found(taken: dict[str, Taken], mapping: object = MAPPING) -> tuple[LandingFile, ...]:
        with kept_stamps(tmp_path / "lake", "events") as kept:
            return new_files(tmp_path / "landing", mapping, taken=taken, stamps=kept)

    return found


def test_a_file_is_read_once(tmp_path: Path, looked: list[str], new: Look) -> None:
    for name, content in {"1.csv": b"one", "2.csv": b"two", "copy.csv": b"one"}.items():
        (tmp_path / "landing" / name).write_bytes(content)
    assert [file.name for file in new({})] == ["1.csv", "2.csv"]
    assert sorted(looked) == ["1.csv", "2.csv", "copy.csv"]
    looked.clear()
    assert [file.name for file in new({"1.csv": took(b"one")})] == ["2.csv"]  # was not taken
    assert looked == ["2.csv"]
    looked.clear()
    assert new({"1.csv": took(b"one"), "2.csv": took(b"two")}) == ()
    assert looked == []
    (tmp_path / "lake" / "index" / "landed" / "events.json").write_text("{]")
    assert new({"1.csv": took(b"one"), "2.csv": took(b"two")}) == ()
    assert sorted(looked) == ["1.csv", "2.csv", "copy.csv"]


def longer(path: Path) -> None:
    path.write_bytes(b"longer")


def alike(path: Path) -> None:
    """Other content of the same size, with the times of before set again."""
    before = path.stat()
    path.write_bytes(b"eno")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def moved(path: Path) -> None:
    """Another file of the same size and time, put in its place."""
    before, other = path.stat(), path.with_name(".other")
    other.write_bytes(b"eno")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def mapped(path: Path) -> None:
    import mmap

    with path.open("r+b") as handle, mmap.mmap(handle.fileno(), 3) as memory:
        memory[:] = b"eno"


@pytest.mark.parametrize("change", [longer, alike, moved, mapped])
@pytest.mark.usefixtures("looked")
def test_a_change_shows_both_digests(
    tmp_path: Path, new: Look, change: Callable[[Path], None]
) -> None:
    path, taken = tmp_path / "landing" / "1.csv", {"1.csv": took(b"one")}
    path.write_bytes(b"one")
    assert new(taken) == ()
    change(path)
    with pytest.raises(LandingError) as caught:
        new(taken)
    now = hashlib.sha256(path.read_bytes()).hexdigest()
    assert taken["1.csv"].digest[:16] in str(caught.value)
    assert now[:16] in str(caught.value)


def test_what_was_taken_otherwise_is_read(tmp_path: Path, looked: list[str], new: Look) -> None:
    (tmp_path / "landing" / "1.csv").write_bytes(b"one")
    assert len(new({})) == 1
    with pytest.raises(LandingError):
        new({"1.csv": took(b"two")})
    assert looked == ["1.csv", "1.csv"]


def test_a_growing_file_is_read_when_it_grew(tmp_path: Path, looked: list[str], new: Look) -> None:
    path, taken = tmp_path / "landing" / "1.csv", {"1.csv": took(b"one\n")}
    path.write_bytes(b"one\ntw")  # its last line is not whole
    assert new(taken, GROWS) == ()
    assert new(taken, GROWS) == ()
    assert looked == ["1.csv"]
    path.write_bytes(b"one\ntwo\n")
    (file,) = new(taken, GROWS)
    assert (file.records, file.digest) == (1, took(b"one\ntwo\n").digest)


def test_a_file_that_changed_just_now_is_read_again(tmp_path: Path) -> None:
    path, kept = tmp_path / "1.csv", Stamps(tmp_path / "stamps.json")
    path.write_bytes(b"one")
    look = kept.look(path)
    assert look is None
    kept.note("1.csv", look, "digest")
    assert kept.digest("1.csv", look) is None
    kept.save()
    assert not (tmp_path / "stamps.json").exists()


def test_what_failed_keeps_no_stamp(tmp_path: Path) -> None:
    with pytest.raises(ValueError), kept_stamps(tmp_path, "events") as kept:
        kept.note("1.csv", (1, 2, 3, 4), "digest")
        raise ValueError
    assert not (tmp_path / "index").exists()


def test_a_disk_that_takes_no_stamps_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_given: object, **_named: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with kept_stamps(tmp_path, "events") as kept:
        kept.note("1.csv", (1, 2, 3, 4), "digest")
    assert not list((tmp_path / "index" / "landed").iterdir())
