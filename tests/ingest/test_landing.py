"""Which files are new, and what is refused before anything is read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from recsys_batch.config import EventMapping
from recsys_batch.errors import LandingError
from recsys_batch.ingest.landing import LandingFile, Taken, header, new_files

from .shops import shop


def mapping(**given: object) -> EventMapping:
    return shop(**given).events


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def took(content: bytes) -> Taken:
    return Taken(sha(content), len(content))


def test_new_files_are_named_below_the_folder_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.csv").write_bytes(b"two")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.csv").write_bytes(b"")
    (tmp_path / "c.txt").write_bytes(b"other")
    files = new_files(tmp_path, mapping(pattern="*/*.csv"), taken={})
    assert [(file.name, file.size, file.digest) for file in files] == [
        ("a/1.csv", 0, sha(b"")),
        ("b/2.csv", 3, sha(b"two")),
    ]


def test_taken_files_are_not_new(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_bytes(b"one")
    assert new_files(tmp_path, mapping(), taken={"1.csv": took(b"one")}) == ()


def test_content_is_taken_once_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "old name.csv").write_bytes(b"one")
    (tmp_path / "new.csv").write_bytes(b"two")
    (tmp_path / "new copy.csv").write_bytes(b"two")
    files = new_files(tmp_path, mapping(), taken={"1.csv": took(b"one")})
    assert [file.name for file in files] == ["new copy.csv"]


def test_a_taken_name_with_other_content_shows_both_digests(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_bytes(b"changed")
    with pytest.raises(LandingError) as caught:
        new_files(tmp_path, mapping(), taken={"1.csv": took(b"one")})
    for part in (sha(b"one")[:16], sha(b"changed")[:16], str(tmp_path / "1.csv"), "as a new file"):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", ["_SUCCESS", ".hidden.csv", "_a.csv", "a.csv._COPYING_"])
def test_hidden_and_unfinished_files_are_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a.csv").write_bytes(b"y")
    assert [file.name for file in new_files(tmp_path, mapping(), taken={})] == ["a.csv"]


def test_missing_and_empty_folders_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LandingError, match=r"no such landing folder; name the folder .*--landing"):
        new_files(tmp_path / "absent", mapping(), taken={})
    with pytest.raises(LandingError, match=r"no file matches '\*.csv'; put the files there"):
        new_files(tmp_path, mapping(pattern="*.csv"), taken={})
    assert new_files(tmp_path, mapping(pattern="*.csv"), taken={"a.csv": Taken("d", 1)}) == ()
    assert new_files(tmp_path, mapping(pattern="*.csv", optional=True), taken={}) == ()
    with pytest.raises(LandingError, match="no such landing folder"):
        new_files(tmp_path / "absent", mapping(optional=True), taken={})


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    """A process's memory is a file whose first byte nobody can read, not even root."""
    (tmp_path / "broken.csv").symlink_to("/proc/self/mem")
    with pytest.raises(LandingError, match=r"broken.csv: the file cannot be read \(Input/output"):
        new_files(tmp_path, mapping(), taken={})


def described(path: Path, content: bytes) -> LandingFile:
    path.write_bytes(content)
    return LandingFile(path.name, path, sha(content), len(content))


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"a,b\n1,2\n", ("a", "b")),
        (b"\xef\xbb\xbfa, b \r\n", ("a", "b")),
        (b'"a,x","say ""b"""\n', ("a,x", 'say "b"')),
        (b",a,,b", ("_c0", "a", "_c2", "b")),
    ],
)
def test_the_header_names_the_columns(
    tmp_path: Path, content: bytes, names: tuple[str, ...]
) -> None:
    assert header(described(tmp_path / "a.csv", content), mapping()) == names


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"a,b,A\n", "3 columns names, and columns 1 and 3 the same one"),
        (b"\n1,2\n", "should name the columns is blank"),
        (b"\xef\xbb\xbf\r\n", "should name the columns is blank"),
        (b"caf\xe9,b\n", "not text in UTF-8"),
        (b"a" * 200_000, "not text in UTF-8"),
    ],
)
def test_bad_headers_name_file_and_line(tmp_path: Path, content: bytes, found: str) -> None:
    with pytest.raises(LandingError, match=found) as caught:
        header(described(tmp_path / "a.csv", content), mapping())
    assert f"{tmp_path / 'a.csv'}, line 1" in str(caught.value)


def test_the_header_is_read_in_the_declared_encoding(tmp_path: Path) -> None:
    file = described(tmp_path / "a.csv", b"caf\xe9;b\n")
    assert header(file, mapping(encoding="latin-1", delimiter=";")) == ("café", "b")
