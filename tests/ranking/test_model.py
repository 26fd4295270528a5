"""A fitted recipe: equal bits each time, and from the file that it is mapped from."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from ranking.cases import ranker, recipe, trained
from recsys_batch.errors import LakeError
from recsys_batch.models.sources import ContentSettings, RegionalSettings, RepeatSettings
from recsys_batch.ranking.model import RankingModel, fit_model, load_model


@pytest.fixture(scope="module")
def fitted() -> RankingModel:
    rng = np.random.default_rng(4)
    ids = [f"i{place:02}" for place in range(40)]
    history = [
        (f"u{user:02}", ids[item], 1.0 + user % 3, "purchase", item % 2 == 0, int(item))
        for user in range(30)
        for item in rng.choice(40, size=6, replace=False)
    ]
    known = trained(
        ids,
        *history,
        users={f"u{user:02}": ("n", "s", None)[user % 3] for user in range(33)},
        popular={None: {item: 40.0 - place for place, item in enumerate(ids)}, "n": {"i07": 3.0}},
        blocked=["i05"],
    )
    return fit_model(known, recipe({"near": RegionalSettings(), "again": RepeatSettings()}))


def test_fitting_twice_gives_equal_bits(fitted):
    again = fit_model(fitted.trained_on, fitted.recipe, threads=2)
    rows = np.arange(len(fitted.trained_on.data.regions))
    one, other = ranker(fitted, 10).rank(rows), ranker(again, 10).rank(rows)
    for name in ("items", "scores", "parts"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


def test_a_model_mapped_into_memory_ranks_like_the_fitted_one(fitted, tmp_path):
    path = tmp_path / "some" / "r1-full.model"
    assert fitted.known.sum() == 30  # what is made on the way is not stored
    fitted.save(path)
    size = path.stat().st_size
    mapped = load_model(path)
    assert mapped.recipe == fitted.recipe
    assert isinstance(mapped.factors.items, np.memmap)
    assert not mapped.factors.items.flags.writeable
    rows = np.arange(len(fitted.trained_on.data.regions))
    one, other = ranker(fitted, 10).rank(rows), ranker(mapped, 10).rank(rows)
    for name in ("items", "scores", "parts"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes()
    before = path.read_bytes()
    fitted.save(path)
    assert (path.read_bytes(), path.stat().st_size) == (before, size)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_opening_a_model_imports_no_library_that_only_fits(fitted, tmp_path):
    """Every worker opens it, and would import scikit-learn for longer than it ranks."""
    path = tmp_path / "r1-full.model"
    made_by = recipe({"near": RegionalSettings(), "texts": ContentSettings()})
    fit_model(fitted.trained_on, made_by).save(path)
    program = (
        "import sys; from pathlib import Path; from recsys_batch.ranking.model import load_model;"
        "model = load_model(Path(sys.argv[1])); print(*model.sources);"
        "print(*{name.partition('.')[0] for name in sys.modules} & {'sklearn', 'pandas'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["als", "popular", "near", "texts"]


@pytest.mark.parametrize("content", ["missing", "empty", "another file", "cut off"])
def test_what_is_no_model_says_what_to_run(fitted, tmp_path, content):
    path = tmp_path / "r1-full.model"
    if content != "missing":
        fitted.save(path)
        whole = path.read_bytes()
        path.write_bytes(
            {"empty": b"", "another file": b"no model", "cut off": whole[:-2000]}[content]
        )
    with pytest.raises(LakeError, match=r"the model cannot be read .*; run `recsys-batch train`"):
        load_model(path)


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_a_model_in_fewer_bits_is_mapped_and_ranks_nearly_alike(fitted, tmp_path, precision):
    assert fitted.rounded() is fitted
    rounded = replace(fitted, precision=precision).rounded()
    rounded.save(tmp_path / "rounded.model")
    mapped = load_model(tmp_path / "rounded.model")
    assert mapped.factors.items.dtype == np.float32
    rows = np.flatnonzero(fitted.known)
    for name, source in fitted.sources.items():
        exact, found = source.scores(rows), mapped.sources[name].scores(rows)
        np.testing.assert_allclose(found, exact, atol=0.02 * np.abs(exact).max())
    assert mapped.factors.scores(rows).tobytes() != fitted.factors.scores(rows).tobytes()
