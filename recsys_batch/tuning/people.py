"""Users of a log: their regions by what they did, their cohorts by what profiles say."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recsys_batch import columns as c
from recsys_batch.features.consent import permitted
from recsys_batch.features.versions import held_before, profile_versions
from recsys_batch.models.training import coded

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def known_cohorts(profiles: DataFrame, refused: DataFrame, *, until: dt.datetime) -> DataFrame:
    """user_key and cohort of users who may have a list, by what held just before `until`."""
    from pyspark.sql import functions as F

    held = held_before(profile_versions(profiles), until)
    named = held.where(F.col(c.COHORT).isNotNull()).select(c.USER_KEY, c.COHORT)
    return permitted(named, refused, "personalization")


def regions_of(
    acts: pa.Table,
    users: npt.NDArray[np.int32],
    days: npt.NDArray[np.int32],
    n_users: int,
) -> tuple[npt.NDArray[np.int32], int]:
    """Each user's region: the latest named, of several the last by name."""
    names = sorted(pc.unique(acts[c.REGION].drop_null()).to_pylist())
    codes = coded(acts[c.REGION], pa.array(names, pa.string()))
    regions = np.full(n_users, -1, dtype=np.int32)
    named = (users >= 0) & (codes >= 0)
    order = np.lexsort((codes[named], days[named]))
    regions[users[named][order]] = codes[named][order]  # the last assignment holds
    return regions, len(names)


def cohorts_of(cohorts: pa.Table | None, keys: pa.Array) -> tuple[npt.NDArray[np.int32], int]:
    """Each user's cohort, of those that users of the log are of."""
    codes = np.full(len(keys), -1, dtype=np.int32)
    if cohorts is None:
        return codes, 0
    told = cohorts.filter(pc.is_in(cohorts[c.USER_KEY], value_set=keys))
    names = pa.array(sorted(pc.unique(told[c.COHORT]).to_pylist()), pa.string())
    codes[coded(told[c.USER_KEY], keys)] = coded(told[c.COHORT], names)
    return codes, len(names)
