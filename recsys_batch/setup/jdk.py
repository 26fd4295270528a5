"""Find a Java of version 17 or later, which Spark needs, or get one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recsys_batch.errors import SetupError
from recsys_batch.setup import system

MINIMUM = 17
PACKAGE = "openjdk-17-jre-headless"
_NEWER_PACKAGE = "openjdk-21-jre-headless"  # Debian 13 and later have no 17

_JVM_FOLDERS = (
    ("/usr/lib/jvm", "*"),
    ("/opt/java", "*"),
    ("/Library/Java/JavaVirtualMachines", "*/Contents/Home"),
    ("/opt/homebrew/opt", "openjdk*"),
    ("/usr/local/opt", "openjdk*"),
    ("~/.sdkman/candidates/java", "*"),
)


@dataclass(frozen=True)
class Java:
    """A Java runtime: its home folder (the one above ``bin``) and its feature version."""

    home: Path
    version: int


def find_java() -> Java | None:
    """Return the first Java of version 17 or later, or None.

    Looked for in ``$JAVA_HOME``, on ``$PATH``, then where JDKs are usually installed: of several
    there, the oldest that will do.
    """
    for home in _named():
        version = java_version(home)
        if version is not None and version >= MINIMUM:
            return Java(home=home, version=version)
    installed = [
        Java(home=home, version=version)
        for home in _installed()
        if (version := java_version(home)) is not None and version >= MINIMUM
    ]
    return min(installed, key=lambda java: (java.version, str(java.home)), default=None)


def require_java() -> Java:
    """Return `find_java`'s answer; raise `SetupError`, with how to get one, where there is none."""
    found = find_java()
    if found is not None:
        return found
    old = next((v for home in _named() if (v := java_version(home)) is not None), None)
    raise SetupError(
        f"Java {old} is too old, {MINIMUM} or later is needed"
        if old is not None
        else f"no Java {MINIMUM} or later was found",
        where="$JAVA_HOME, $PATH and the usual folders",
        fix=install_fix(),
    )


def ensure_java() -> Java:
    """Return a Java, installing one where there is none and this is Debian and root.

    Raises
    ------
    SetupError
        There is none and it could not be installed; the sentence says how to.
    """
    if find_java() is None and system.can_install():
        print(f"No Java {MINIMUM} or later: installing {PACKAGE} ...", flush=True)  # noqa: T201
        if not system.install(PACKAGE):
            system.install(_NEWER_PACKAGE)
    return require_java()


def install_fix() -> str:
    """Return, as a clause, how to get a Java on this machine."""
    return system.install_hint(
        f"{PACKAGE}` or `{_NEWER_PACKAGE}",
        other=f"install a JDK {MINIMUM} or later (such as Temurin, or `brew install openjdk@17`) "
        "and point JAVA_HOME at it",
    )


def java_version(home: Path) -> int | None:
    """Return the feature version (8, 11, 17, ...) of the Java in `home`, or None if none runs."""
    java = home / "bin" / "java"
    if not os.access(java, os.X_OK):
        return None
    try:
        text = (home / "release").read_text(encoding="utf-8", errors="replace")
        match = re.search(r'^JAVA_VERSION="([^"]+)"', text, re.MULTILINE)
    except OSError:
        match = None
    if match is None:
        match = re.search(r'version "([^"]+)"', _run(str(java), "-version"))
    return _feature(match[1]) if match else None


def _feature(version: str) -> int | None:
    numbers = re.findall(r"\d+", version)
    if not numbers:
        return None
    return int(numbers[1] if numbers[0] == "1" and len(numbers) > 1 else numbers[0])


def _named() -> Iterator[Path]:
    if os.environ.get("JAVA_HOME"):
        yield Path(os.environ["JAVA_HOME"])
    on_path = shutil.which("java")
    if on_path:
        real = Path(on_path).resolve()
        # A shim (of jenv, asdf, macOS) lies in no JDK: ask it where its Java is.
        home = real.parent.parent
        if not (home / "lib").is_dir() or not (home / "release").is_file():
            text = _run(on_path, "-XshowSettings:properties", "-version")
            match = re.search(r"java\.home = (.+)", text)
            if match:
                home = Path(match[1].strip())
        yield home


def _installed() -> Iterator[Path]:
    for folder, pattern in _JVM_FOLDERS:
        yield from sorted(Path(folder).expanduser().glob(pattern))
    if os.access("/usr/libexec/java_home", os.X_OK):
        found = _run("/usr/libexec/java_home", "-v", f"{MINIMUM}+").strip()
        if found.startswith("/"):
            yield Path(found)


def _run(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr if done.returncode == 0 else ""
