from pathlib import Path

import pytest

from recsys_batch.errors import SetupError
from recsys_batch.setup import jdk


def make_java(home: Path, *, release: str | None = None, prints: str = "") -> Path:
    """Lay out a Java: a `release` file, or a program that prints its version as java does."""
    (home / "bin").mkdir(parents=True)
    (home / "lib").mkdir()
    java = home / "bin" / "java"
    java.write_text(f"#!/bin/sh\necho '{prints}' >&2\n")
    java.chmod(0o755)
    if release is not None:
        (home / "release").write_text(f'IMPLEMENTOR="X"\nJAVA_VERSION="{release}"\n')
    return home


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without any Java: an empty PATH and an empty folder of JDKs."""
    folder = tmp_path / "jvm"
    folder.mkdir()
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(jdk, "_JVM_FOLDERS", ((str(folder), "*"),))
    return folder


@pytest.mark.parametrize(
    ("release", "version"), [("17.0.15", 17), ("1.8.0_392", 8), ("21", 21), ("26-ea", 26)]
)
def test_version_from_release_file(tmp_path: Path, release: str, version: int) -> None:
    assert jdk.java_version(make_java(tmp_path / "j", release=release)) == version


def test_version_from_the_program_where_there_is_no_release_file(tmp_path: Path) -> None:
    home = make_java(tmp_path / "j", prints='openjdk version "11.0.2" 2019-01-15')
    assert jdk.java_version(home) == 11


def test_folder_without_a_program_is_no_java(tmp_path: Path) -> None:
    assert jdk.java_version(tmp_path) is None


def test_java_home_wins_but_not_when_too_old(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = make_java(bare.parent / "named-11", release="11.0.2")
    named = make_java(bare.parent / "named-25", release="25.0.1")
    installed = make_java(bare / "jdk-21", release="21.0.1")
    monkeypatch.setenv("JAVA_HOME", str(named))
    assert jdk.find_java() == jdk.Java(home=named, version=25)
    monkeypatch.setenv("JAVA_HOME", str(old))
    assert jdk.find_java() == jdk.Java(home=installed, version=21)


def test_java_on_path_is_found_through_links(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = make_java(bare.parent / "elsewhere", release="17.0.1")
    links = bare.parent / "links"
    links.mkdir()
    (links / "java").symlink_to(home / "bin" / "java")
    monkeypatch.setenv("PATH", str(links))
    assert jdk.find_java() == jdk.Java(home=home, version=17)


def test_oldest_that_will_do_of_those_installed(bare: Path) -> None:
    make_java(bare / "a-25", release="25")
    make_java(bare / "b-11", release="11.0.2")
    wanted = make_java(bare / "c-17", release="17.0.9")
    assert jdk.find_java() == jdk.Java(home=wanted, version=17)


def test_no_java_is_one_sentence_with_the_fix(bare: Path) -> None:
    assert bare.is_dir()
    with pytest.raises(SetupError, match="no Java 17 or later was found") as caught:
        jdk.ensure_java()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert "JAVA_HOME" in sentence
    assert "install" in sentence


def test_old_java_is_named_as_too_old(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(make_java(bare.parent / "old", release="1.8.0_392")))
    with pytest.raises(SetupError, match="Java 8 is too old, 17 or later is needed"):
        jdk.require_java()


def test_fix_on_debian_names_the_package(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = bare.parent / "debian"
    programs.mkdir()
    (programs / "apt-get").write_text("#!/bin/sh\nexit 1\n")
    (programs / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    assert "apt-get install -y openjdk-17-jre-headless" in jdk.install_fix()
    with pytest.raises(SetupError, match="openjdk-17-jre-headless"):
        jdk.ensure_java()  # apt-get is tried where this is root, and fails
