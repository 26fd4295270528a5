"""A run's features as what models are fitted on, over Arrow and without Python objects."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from recsys_batch import columns as c
from recsys_batch.errors import ContractError, InputDataError
from recsys_batch.lake.arrow import read_table
from recsys_batch.models.sources import SourceData
from recsys_batch.models.sources.interface import spread_rows

_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True, eq=False)
class Training:
    """One part of a run's features as arrays.

    Attributes
    ----------
    keys
        User keys as bytes, ascending: row u is ``keys[u]``. Behind them stand rows without history
        for strangers, one of each region, one of nothing and one of each cohort (`stranger`).
    ids, titles
        Item ids, ascending, and texts (the id where there is no text): column i is ``ids[i]``.
    listed
        bool, users: may have a list.
    recommendable
        bool, items: may be in one.
    categories, category_names
        int32, items: place of each item's category among the names, -1 where it is unknown.
    prices
        float64, items; NaN where unknown.
    item_days
        float32, items: days since each item was first known; NaN where unknown.
    tags
        A list of labels an item.
    least_ages
        float32, users and strangers: years of age reached for certain; NaN where unknown.
    data
        What sources learn from.
    acts
        int8, for the pairs of ``data.weights`` in order: place in `act_names` of the weightiest.
    act_names
        Event types.
    seen
        CSR, users x items: what each user has seen.
    region_names
        Regions, ascending: `SourceData.regions` holds places in it.
    cohort_names
        Cohorts of those who may have a list, ascending: `SourceData.cohorts` holds places in it.
    ahead_days
        Days from the instant that ``data.ages`` are counted from to the end of the part: 0, but for
        what is folded into an earlier fit.
    """

    keys: npt.NDArray[np.bytes_]
    ids: tuple[str, ...]
    titles: tuple[str, ...]
    listed: npt.NDArray[np.bool_]
    recommendable: npt.NDArray[np.bool_]
    categories: npt.NDArray[np.int32]
    category_names: tuple[str, ...]
    prices: npt.NDArray[np.float64]
    item_days: npt.NDArray[np.float32]
    tags: pa.ListArray
    least_ages: npt.NDArray[np.float32]
    data: SourceData
    acts: npt.NDArray[np.int8]
    act_names: tuple[str, ...]
    seen: sparse.csr_matrix
    region_names: tuple[str, ...]
    cohort_names: tuple[str, ...]
    ahead_days: int = 0

    def user_keys(self, rows: npt.NDArray[np.integer]) -> pa.StringArray:
        """Keys of some users who are no strangers."""
        return pa.array(np.char.decode(self.keys[rows], "ascii"), pa.string())

    def stranger(self, region: str | None, cohort: str | None = None) -> int:
        """The row of a user of whom nothing is known but the cohort, or else the region."""
        if cohort in self.cohort_names:
            place = len(self.region_names) + 1 + self.cohort_names.index(cohort)
            return len(self.keys) + place
        known = region in self.region_names
        place = self.region_names.index(region) if known else len(self.region_names)
        return len(self.keys) + place


def training(
    interactions: pa.Table,
    users: pa.Table,
    items: pa.Table,
    popularity: pa.Table,
    *,
    until: dt.date,
    fit: Training | None = None,
    fit_until: dt.date | None = None,
) -> Training:
    """Index a part of a run's features; equal rows in any order give equal bits.

    Parameters
    ----------
    interactions
        user_key, item_id, weight, event_type, last_time, seen; a pair at most once.
    users
        user_key, region, cohort, least_age: those who may have a list.
    items
        item_id, title, category, price, description, tags, first_time, recommendable; every item
        named elsewhere.
    popularity
        segment (null: all, else a region), item_id, score.
    until
        The first day that the part does not look back on.
    fit
        What the model was fitted on that this is to be folded into: its regions, its cohorts and
        its popularity are kept, and ages are counted from its end. None: it is fitted on this.
    fit_until
        `until` of `fit`.

    Raises
    ------
    InputDataError
        No pair has a positive weight.
    """
    fit_until = fit_until or until
    items = items.sort_by(c.ITEM_ID)
    ids = items[c.ITEM_ID].combine_chunks()
    keys = pc.unique(
        pa.chunked_array([*users[c.USER_KEY].chunks, *interactions[c.USER_KEY].chunks], pa.string())
    )
    keys = keys.take(pc.sort_indices(keys))
    rows = _places(interactions[c.USER_KEY], keys)
    columns = _places(interactions[c.ITEM_ID], ids)
    order = np.lexsort((columns, rows))
    table = interactions.take(pa.array(order))
    rows, columns = rows[order], columns[order]
    regions, region_names = _codes(users, c.REGION, keys, None if fit is None else fit.region_names)
    cohorts, cohort_names = _codes(users, c.COHORT, keys, None if fit is None else fit.cohort_names)
    shape = (len(keys) + len(region_names) + 1 + len(cohort_names), len(ids))
    least_ages = np.full(shape[0], np.nan, dtype=np.float32)
    least_ages[_places(users[c.USER_KEY], keys)] = pc.fill_null(
        users[c.LEAST_AGE].cast(pa.float32()), np.nan
    ).to_numpy()
    weights = table[c.WEIGHT].to_numpy().astype(np.float32)
    positive = weights > 0
    if not positive.any():
        raise InputDataError(
            f"no interaction of {len(interactions)} weighs anything",
            where="features.window_days, dataset.weights",
            fix="widen the window, weigh more event types, or choose a later day",
        )
    seen = table[c.SEEN].to_numpy(zero_copy_only=False).astype(bool)
    ages = _days_before(table[c.LAST_TIME], fit_until)
    categories = sorted(pc.unique(items[c.CATEGORY].drop_null()).to_pylist())
    acts = pc.dictionary_encode(table[c.EVENT_TYPE].combine_chunks())
    popular, regional = (
        _popularity(popularity, ids, region_names) if fit is None else _kept_popularity(fit, ids)
    )
    return Training(
        keys=np.array(keys.to_pylist(), dtype=np.bytes_),
        ids=tuple(ids.to_pylist()),
        titles=tuple(pc.coalesce(items[c.TITLE], items[c.ITEM_ID]).to_pylist()),
        listed=pc.is_in(keys, value_set=users[c.USER_KEY].combine_chunks()).to_numpy(
            zero_copy_only=False
        ),
        recommendable=items[c.RECOMMENDABLE].to_numpy(zero_copy_only=False).astype(bool),
        categories=coded(items[c.CATEGORY], pa.array(categories, pa.string())),
        category_names=tuple(categories),
        prices=pc.fill_null(items[c.PRICE], np.nan).to_numpy(),
        item_days=_days_before(items[c.FIRST_TIME], until),
        tags=items[c.TAGS].combine_chunks(),
        least_ages=least_ages,
        data=SourceData(
            _csr(rows[positive], columns[positive], weights[positive], shape),
            ages=ages[positive],
            texts=item_texts(items),
            popularity=popular,
            regions=np.concatenate([regions, _alone(region_names), _none(1 + len(cohort_names))]),
            regional=regional,
            cohorts=np.concatenate([cohorts, _none(len(region_names) + 1), _alone(cohort_names)]),
        ),
        acts=acts.indices.to_numpy().astype(np.int8)[positive],
        act_names=tuple(acts.dictionary.to_pylist()),
        seen=_csr(rows[seen], columns[seen], np.ones(int(seen.sum()), dtype=np.float32), shape),
        region_names=region_names,
        cohort_names=cohort_names,
        ahead_days=(until - fit_until).days,
    )


def known_places(fit: Training, ids: Sequence[str]) -> npt.NDArray[np.int64]:
    """Column of each item of a fit among later items, which are ascending, too.

    Raises
    ------
    ContractError
        One is not among them.
    """
    found = pc.index_in(pa.array(fit.ids), value_set=pa.array(ids))
    if found.null_count:
        gone = fit.ids[pc.indices_nonzero(pc.is_null(found))[0].as_py()]
        raise ContractError(
            f"{found.null_count} items that the model knows are not among the later ones",
            where=f"features of a run that is folded into an earlier fit, item {gone}",
            fix="run the day of the fit again, or set model.refit_days to 1",
        )
    return np.asarray(found.to_numpy(), dtype=np.int64)


def item_texts(items: pa.Table) -> tuple[str, ...]:
    """Title, category, description and tags of each item, as far as there are any."""
    names = (c.TITLE, c.CATEGORY, c.DESCRIPTION)
    parts = [pc.fill_null(items[name].cast(pa.string()), "") for name in names]
    tags = [" ".join(each or ()) for each in items[c.TAGS].to_pylist()]
    joined = pc.binary_join_element_wise(*parts, pa.array(tags, pa.string()), " ")
    return tuple(joined.to_pylist())


def _places(column: pa.ChunkedArray, values: pa.Array) -> npt.NDArray[np.int64]:
    found = pc.index_in(column.combine_chunks(), value_set=values)
    return np.asarray(found.to_numpy(), dtype=np.int64)


def _csr(
    rows: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int64],
    values: npt.NDArray[np.float32],
    shape: tuple[int, int],
) -> sparse.csr_matrix:
    """CSR of cells that are sorted by row and column."""
    ends = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
    return sparse.csr_matrix((values, columns.astype(np.int32), ends), shape=shape)


def coded(column: pa.ChunkedArray, names: pa.StringArray) -> npt.NDArray[np.int32]:
    """Place of each value among the names, -1 where it is not there."""
    found = pc.index_in(column.combine_chunks(), value_set=names)
    return np.asarray(pc.fill_null(found, -1).to_numpy(), dtype=np.int32)


def _days_before(times: pa.ChunkedArray, until: dt.date) -> npt.NDArray[np.float32]:
    """Whole days from each time's day to `until`; NaN where there is no time."""
    micros = times.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    known = pc.is_valid(micros).to_numpy(zero_copy_only=False)
    days = pc.fill_null(micros, 0).to_numpy() // 86_400_000_000
    return np.where(known, (until - _EPOCH).days - days, np.nan).astype(np.float32)


def _codes(
    users: pa.Table, column: str, keys: pa.Array, names: Sequence[str] | None
) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """What a column says of each user, as a place among its names, or among those given."""
    if names is None:
        names = sorted(pc.unique(users[column].drop_null()).to_pylist())
    codes = _none(len(keys))
    codes[_places(users[c.USER_KEY], keys)] = coded(users[column], pa.array(names, pa.string()))
    return codes, tuple(names)


def _alone(names: tuple[str, ...]) -> npt.NDArray[np.int32]:
    """Codes of the strangers of each name."""
    return np.arange(len(names), dtype=np.int32)


def _none(count: int) -> npt.NDArray[np.int32]:
    return np.full(count, -1, dtype=np.int32)


def _popularity(
    popularity: pa.Table, ids: pa.Array, regions: tuple[str, ...]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Of all, and regions x items."""
    columns = _places(popularity[c.ITEM_ID], ids)
    segments = popularity[c.SEGMENT].combine_chunks()
    scores = popularity[c.SCORE].to_numpy().astype(np.float32)
    everyone = pc.is_null(segments).to_numpy(zero_copy_only=False)
    popular = np.zeros(len(ids), dtype=np.float32)
    popular[columns[everyone]] = scores[everyone]
    places = coded(popularity[c.SEGMENT], pa.array(regions, pa.string()))
    regional = np.zeros((len(regions), len(ids)), dtype=np.float32)
    there = places >= 0
    regional[places[there], columns[there]] = scores[there]
    return popular, regional


def _kept_popularity(
    fit: Training, ids: pa.Array
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Of all, and regions x items, as it was at a fit; nothing is known of items that are new."""
    places = known_places(fit, ids.to_pylist())
    assert fit.data.popularity is not None
    assert fit.data.regional is not None
    popular = spread_rows(fit.data.popularity, places, len(ids))
    return popular, np.ascontiguousarray(spread_rows(fit.data.regional.T, places, len(ids)).T)


def read_training(
    home: Path,
    *,
    run_id: str,
    part: str,
    until: dt.date,
    fit: Training | None = None,
    fit_until: dt.date | None = None,
) -> Training:
    """Read one part of a run's features.

    Parameters
    ----------
    until
        The first day that the part does not look back on.
    fit, fit_until
        As in `training`.

    Raises
    ------
    LakeError
        The features are not there.
    """
    wanted: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
        "interactions": (
            (c.USER_KEY, c.ITEM_ID, c.WEIGHT, c.EVENT_TYPE, c.LAST_TIME, c.SEEN),
            {c.PART: part},
        ),
        "users": ((c.USER_KEY, c.REGION, c.COHORT, c.LEAST_AGE), {c.PART: part}),
        "items": (
            (
                *(c.ITEM_ID, c.TITLE, c.CATEGORY, c.PRICE, c.DESCRIPTION, c.TAGS),
                *(c.FIRST_TIME, c.RECOMMENDABLE),
            ),
            {c.PART: part},
        ),
        "popularity": ((c.SEGMENT, c.ITEM_ID, c.SCORE), {c.PART: part}),
    }
    found = {
        name: read_table(home, name, columns, run_id=run_id, **equal)
        for name, (columns, equal) in wanted.items()
    }
    return training(**found, until=until, fit=fit, fit_until=fit_until)
