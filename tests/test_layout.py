"""What must hold of the repository as a whole."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parent.parent
TOP = {
    "LICENSE",
    "Makefile",
    "README.md",
    "benchmarks",
    "conf",
    "dags",
    "docker-compose.yml",
    "docs",
    "jobs",
    "notebooks",
    "pyproject.toml",
    "recsys_batch",
    "requirements.lock",
    "tests",
}
LOCKS = ("requirements.lock", "recsys_batch/setup/bootstrap.txt", "conf/docker/postgres.txt")
# In pieces, so that this file does not name one itself.
HOSTS = [
    re.escape(".".join(parts))
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("maven", "org"),
        ("maven", "apache", "org"),
        ("spark-packages", "org"),
        ("npmjs", "org"),
        ("anaconda", "org"),
        ("crates", "io"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("mcr", "microsoft", "com"),
    )
]


def tracked() -> list[str]:
    """Paths of the files that git tracks; another user may own the checkout."""
    done = subprocess.run(
        ["git", "-c", f"safe.directory={PROJECT}", "ls-files", "-z"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for path in done.stdout.split("\0") if path and (PROJECT / path).is_file()]


def pins(lock: str) -> dict[str, str]:
    text = (PROJECT / lock).read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE))


def test_top_level_is_fixed() -> None:
    found = {path.split("/")[0] for path in tracked()}
    assert {each for each in found if not each.startswith(".")} <= TOP
    assert {each for each in found if each.startswith(".")} <= {
        ".ci",
        ".gitignore",
        ".pre-commit-config.yaml",
    }


def test_no_file_names_a_package_registry() -> None:
    pattern = re.compile("|".join(HOSTS), re.IGNORECASE)
    named = [
        f"{path}:{number}"
        for path in tracked()
        for number, line in enumerate(
            (PROJECT / path).read_bytes().decode(errors="replace").splitlines(), 1
        )
        if pattern.search(line)
    ]
    assert named == []


def test_the_pattern_would_find_one() -> None:
    host = ".".join(("files", "pythonhosted", "org"))
    assert re.search("|".join(HOSTS), f"--index-url https://{host}/simple")


def test_no_other_lock_file() -> None:
    names = {Path(path).name for path in tracked()}
    assert not names & {"uv.lock", "pylock.toml", "poetry.lock", "Pipfile.lock", "pdm.lock"}


def test_lock_satisfies_every_direct_dependency() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    direct = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    locked = pins("requirements.lock")
    for requirement in map(Requirement, direct):
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        assert name in locked, f"{name} is not locked: run `make lock`"
        assert requirement.specifier.contains(locked[name], prereleases=True), requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    blocks = re.split(r"\n(?=[a-z0-9])", (PROJECT / lock).read_text())
    pinned = [block for block in blocks if re.match(r"[a-z0-9._-]+==", block)]
    assert pinned
    assert all("--hash=sha256:" in block for block in pinned)


@pytest.mark.parametrize("lock", LOCKS[1:])
def test_smaller_locks_agree_with_the_lock(lock: str) -> None:
    locked, smaller = pins("requirements.lock"), pins(lock)
    assert {name: locked[name] for name in smaller if name in locked} == {
        name: version for name, version in smaller.items() if name in locked
    }


def test_commands_of_the_hooks_are_those_of_make_check() -> None:
    hooks = (PROJECT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"repo: (\S+)", hooks) == ["local"]
    makefile = (PROJECT / "Makefile").read_text()
    recipe = makefile.split("\ncheck:")[1].split("\n\n")[0]
    tools = re.findall(r"\$\(BIN\)/([a-z-]+)", recipe)
    assert sorted(tools) == sorted(re.findall(r"entry: \.venv/bin/([a-z-]+)", hooks))


def test_continuous_integration_checks_and_tests() -> None:
    script = PROJECT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert script.read_text().rstrip().endswith("make check\nmake test")
