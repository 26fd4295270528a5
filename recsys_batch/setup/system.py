"""The operating system's packages: installed where that is allowed, else named in the fix."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys

from recsys_batch.errors import SetupError

OPENMP = "libgomp.so.1"
OPENMP_PACKAGE = "libgomp1"


def can_install() -> bool:
    """Whether this process may install Debian packages: root, with apt-get on PATH."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(*packages: str) -> bool:
    """Install Debian packages, showing apt's progress; return whether apt-get succeeded."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    commands = (
        ("apt-get", "update", "-q"),
        ("apt-get", "install", "-q", "-y", "--no-install-recommends", *packages),
    )
    for command in commands:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            return False
    return True


def install_hint(package: str, *, other: str) -> str:
    """Return how a person installs `package` here, or `other` where there is no apt-get."""
    if shutil.which("apt-get"):
        sudo = "" if os.geteuid() == 0 else "sudo "
        return f"run `{sudo}apt-get update && {sudo}apt-get install -y {package}`"
    return other


def has_openmp() -> bool:
    """Whether the OpenMP library that lightgbm's wheel links to is there.

    On Linux it links to the system's ``libgomp``, which a slim image lacks; elsewhere it differs.
    """
    if not sys.platform.startswith("linux"):
        return True
    try:
        ctypes.CDLL(OPENMP)
    except OSError:
        return False
    return True


def openmp_fix() -> str:
    """Return, as a clause, how to get the OpenMP library on this machine."""
    return install_hint(OPENMP_PACKAGE, other="install GCC's OpenMP library (libgomp)")


def ensure_openmp() -> None:
    """Install the OpenMP library where it is missing and this is Debian and root.

    Raises
    ------
    SetupError
        It is missing and could not be installed; the sentence says how to.
    """
    if not has_openmp() and can_install():
        print(f"No {OPENMP}: installing {OPENMP_PACKAGE} ...", flush=True)  # noqa: T201
        install(OPENMP_PACKAGE)
    if not has_openmp():
        raise SetupError(
            f"{OPENMP}, which lightgbm needs, was not found",
            where="the system's libraries",
            fix=openmp_fix(),
        )
