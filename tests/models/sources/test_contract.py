"""What every source promises, whichever it is."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import sparse

from recsys_batch.errors import ContractError, InputDataError
from recsys_batch.models.sources import AnySource, SourceData

USERS, ITEMS, NO_HISTORY = 60, 40, 7
SOURCES = {
    "als": {"kind": "als", "factors": 8, "iterations": 4},
    "ials": {"kind": "ials", "factors": 8, "iterations": 4},
    "damped ials": {"kind": "ials", "factors": 8, "iterations": 4, "item_exponent": 0.1},
    "linear filter": {"kind": "linear_filter", "signal_exponent": 0.3},
    "low pass": {"kind": "low_pass", "factors": 8},
    "cosine": {"kind": "neighbours", "neighbours": 10, "shrinkage": 2.0},
    "tfidf": {"kind": "neighbours", "similarity": "tfidf"},
    "bm25": {"kind": "neighbours", "similarity": "bm25"},
    "rp3beta": {"kind": "neighbours", "similarity": "rp3beta", "neighbours": 10},
    "ease": {"kind": "ease", "regularization": 5.0},
    "ease of popular items": {"kind": "ease", "regularization": 5.0, "max_items": 12},
    "local ease": {"kind": "local_ease", "regularization": 5.0, "neighbours": 10},
    "popular": {"kind": "popular"},
    "trending": {"kind": "popular", "half_life_days": 3.0},
    "regional": {"kind": "regional", "prior": 5.0},
    "cohort": {"kind": "cohort", "prior": 5.0},
    "trending in the cohort": {"kind": "cohort", "prior": 5.0, "half_life_days": 3.0},
    "repeat": {"kind": "repeat", "half_life_days": 30.0},
    "repeat by time alone": {"kind": "repeat", "half_life_days": 30.0, "exponent": 0.0},
    "content": {"kind": "content"},
    "latest filter": {"kind": "linear_filter", "profile_half_life_days": 7.0},
    "latest low pass": {"kind": "low_pass", "factors": 8, "profile_half_life_days": 7.0},
    "latest neighbours": {"kind": "neighbours", "profile_half_life_days": 7.0},
    "latest ease": {"kind": "ease", "regularization": 5.0, "profile_half_life_days": 7.0},
    "latest content": {"kind": "content", "profile_half_life_days": 7.0},
}
IMPERSONAL = {"popular", "trending", "regional", "cohort", "trending in the cohort"}
PROFILED = [name for name, given in SOURCES.items() if "profile_half_life_days" in given]
each_source = pytest.mark.parametrize("name", SOURCES)


def settings(name: str):
    return TypeAdapter(AnySource).validate_python(SOURCES[name])


@pytest.fixture
def data() -> SourceData:
    """60 users, one without history; 40 items, one that nobody has touched."""
    rng = np.random.default_rng(5)
    dense = (rng.random((USERS, ITEMS)) < 0.2) * rng.integers(1, 4, (USERS, ITEMS))
    dense[NO_HISTORY] = dense[:, 3] = 0
    weights = sparse.csr_matrix(dense.astype(np.float32))
    ages = rng.uniform(0, 90, weights.nnz).astype(np.float32)
    words = ("red", "blue", "green", "coat", "hat", "shoe")
    texts = tuple(" ".join(rng.choice(words, 3)) for _ in range(ITEMS))
    regions = rng.integers(-1, 3, USERS).astype(np.int32)
    regions[NO_HISTORY] = regions[0]
    regional = rng.uniform(0, 5, (3, ITEMS)).astype(np.float32)
    popularity = regional.sum(axis=0) + 1
    cohorts = rng.integers(-1, 4, USERS).astype(np.int32)
    cohorts[NO_HISTORY] = cohorts[0]
    return SourceData(weights, ages, texts, popularity, regions, regional, cohorts)


def test_every_kind_is_held_to_the_contract():
    kinds = {get_args(model.model_fields["kind"].annotation)[0] for model in kinds_of_settings()}
    assert {source["kind"] for source in SOURCES.values()} == kinds


def kinds_of_settings():
    return get_args(get_args(AnySource)[0])


@each_source
def test_scores_are_finite_float32_of_the_shape_asked_for(name, data):
    rows = np.array([3, 0, NO_HISTORY, 59])
    scores = settings(name).fit(data).scores(rows)
    assert scores.shape == (4, ITEMS)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()


@each_source
def test_two_fits_give_equal_bits(name, data):
    rows = np.arange(USERS)
    one, two = (settings(name).fit(data).scores(rows) for _ in range(2))
    assert one.tobytes() == two.tobytes()


@each_source
def test_rows_are_scored_alike_alone_and_together(name, data):
    fitted = settings(name).fit(data)
    together = fitted.scores(np.arange(USERS))
    alone = np.vstack([fitted.scores(np.array([row])) for row in range(USERS)])
    np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-5)


@each_source
def test_the_input_is_not_changed(name, data):
    def arrays() -> list[np.ndarray]:
        learnt = (data.weights.data, data.weights.indices, data.weights.indptr, data.ages)
        return [*learnt, data.popularity, data.regions, data.regional, data.cohorts]

    before = [each.copy() for each in arrays()]
    fitted = settings(name).fit(data)
    fitted.scores(np.arange(USERS))[:] = 9.0  # nor may a caller change what was learnt
    for one, other in zip(before, arrays(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not (fitted.scores(np.arange(USERS)) == 9.0).all()


@each_source
def test_a_user_without_history_gets_no_preference(name, data):
    scores = settings(name).fit(data).scores(np.array([NO_HISTORY, 0]))
    if name in IMPERSONAL:
        np.testing.assert_array_equal(scores[0], scores[1])
    else:
        assert (scores[0] == scores[0, 0]).all()
        assert len(np.unique(scores[1])) > 1


@each_source
def test_no_rows_give_no_scores(name, data):
    assert settings(name).fit(data).scores(np.array([], dtype=np.int64)).shape == (0, ITEMS)


@each_source
def test_an_unknown_setting_is_refused(name):
    with pytest.raises(ValidationError, match="no_such_setting"):
        TypeAdapter(AnySource).validate_python({**SOURCES[name], "no_such_setting": 1})


@pytest.mark.parametrize("name", ["trending", "trending in the cohort", "repeat", *PROFILED])
def test_half_lives_need_ages(name, data):
    with pytest.raises(InputDataError, match="no ages"):
        settings(name).fit(SourceData(data.weights, texts=data.texts, cohorts=data.cohorts))


@pytest.mark.parametrize("texts", [None, ("",) * ITEMS])
def test_content_needs_texts(texts, data):
    with pytest.raises(InputDataError, match=r"no texts|no words"):
        settings("content").fit(SourceData(data.weights, texts=texts))


@pytest.mark.parametrize("name", PROFILED)
def test_a_profile_that_fades_speaks_for_the_latest_and_learns_from_all(name, data):
    """A half-life beyond all ages changes nothing; a short one leaves the newest pair alone."""
    plain = TypeAdapter(AnySource).validate_python(
        {**SOURCES[name], "profile_half_life_days": None}
    )
    rows = np.arange(USERS)
    long = plain.model_copy(update={"profile_half_life_days": 1e7}).fit(data).scores(rows)
    np.testing.assert_allclose(long, plain.fit(data).scores(rows), rtol=1e-3, atol=1e-4)
    assert not np.allclose(settings(name).fit(data).scores(rows), long, rtol=0.05)


def test_regions_need_to_be_known(data):
    with pytest.raises(InputDataError, match=r"no regions.*; map region"):
        settings("regional").fit(SourceData(data.weights))


def test_cohorts_need_to_be_known(data):
    with pytest.raises(InputDataError, match=r"no cohorts.*; map cohort"):
        settings("cohort").fit(SourceData(data.weights))


def test_what_is_told_of_users_and_items_must_fit_the_matrix(data):
    with pytest.raises(ContractError, match=f"2 ages for {data.weights.nnz} interactions"):
        SourceData(data.weights, ages=np.zeros(2, dtype=np.float32))
    with pytest.raises(ContractError, match=f"1 texts for {ITEMS} items"):
        SourceData(data.weights, texts=("one",))
    with pytest.raises(ContractError, match=f"3 popularity for {ITEMS} items"):
        SourceData(data.weights, popularity=np.zeros(3, dtype=np.float32))
    with pytest.raises(ContractError, match=f"3 regions for {USERS} users"):
        SourceData(data.weights, regions=np.zeros(3, dtype=np.int32))
    with pytest.raises(ContractError, match=f"3 cohorts for {USERS} users"):
        SourceData(data.weights, cohorts=np.zeros(3, dtype=np.int32))
