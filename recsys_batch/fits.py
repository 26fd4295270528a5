"""The models of a run: fitted on its features, or an earlier day's with its features folded in."""

from __future__ import annotations

import datetime as dt
import importlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from recsys_batch.features.tables import part_ends
from recsys_batch.job import Job
from recsys_batch.lake.runs import Run, run_before
from recsys_batch.models.recipes import Recipe, fit_day
from recsys_batch.models.training import Training, read_training
from recsys_batch.ranking.model import (
    RankingModel,
    Unchanged,
    fit_model,
    fold_model,
    load_model,
    unchanged_users,
)
from recsys_batch.ranking.stored import keep, model_path

_FITTING = ("validate", "tune", "features", "train")


@dataclass(frozen=True, eq=False)
class PartModel:
    """The model of one part of a run's features.

    Attributes
    ----------
    part
        "train" or "full".
    known
        The features.
    model
        Fitted on them, or folded.
    """

    part: str
    known: Training
    model: RankingModel


def part_models(job: Job, opened: Run, recipe: Recipe) -> Iterator[PartModel]:
    """The model of each part, one at a time; that of an earlier day is fitted if it is not there.

    Raises
    ------
    InputDataError
        The features lack what a source needs.
    """
    settings, day = job.settings, fit_day(job.home, opened.run_id)
    fit_run = opened.run_id if day == job.day else _fit_run(job, opened, day)
    fit_ends = part_ends(day, settings)
    for done, (part, until) in enumerate(part_ends(job.day, settings).items()):
        run_id, fit = opened.run_id, None
        if fit_run == run_id:
            job.progress(f"fitting ({part})", done, 2)
        else:
            job.progress(f"folding into the fit of {day} ({part})", done, 2)
            fit = load_model(model_path(job.home, fit_run, part))
        known = read_training(
            job.home,
            run_id=run_id,
            part=part,
            until=until,
            fit=None if fit is None else fit.trained_on,
            fit_until=fit_ends[part],
        )
        if fit is not None:
            model = fold_model(fit, known, _unchanged(job, opened, part, known, fit))
        else:
            model = fit_model(
                known,
                recipe,
                fit_als=job.als_engine(run_id),
                precision=settings.model.precision,
                fitted_in=run_id,
            )
            if settings.model.refit_days > 1:  # so that users are as later days make them
                model = fold_model(model, known)
        yield PartModel(part, known, model)


def _unchanged(
    job: Job, opened: Run, part: str, known: Training, fit: RankingModel
) -> Unchanged | None:
    """Whom the run before folded into the same fit, and who has done nothing since."""
    before = run_before(job.home, opened)
    path = model_path(job.home, before.run_id if before is not None else fit.fitted_in, part)
    earlier = load_model(path) if path.exists() else fit
    found = unchanged_users(earlier, known, fitted_in=fit.fitted_in)
    active = np.diff(known.data.weights.indptr) > 0
    anew = active if found is None else active & (found.rows < 0)
    job.say(f"{part}: {anew.sum():,} of {active.sum():,} users are folded in anew")
    return found


def _fit_run(job: Job, opened: Run, day: dt.date) -> str:
    """The run of an earlier day whose models are kept, with its models made where need be."""
    of_day = replace(job, day=day, horizon=opened.horizon)
    fit_run = of_day.name_run(horizon=opened.horizon).run_id
    if all(model_path(job.home, fit_run, part).exists() for part in part_ends(day, job.settings)):
        keep(job.home, fit_run)
        return fit_run
    job.say(f"the model of {day}, which is kept for some days, is not there: it is made first")
    for name in _FITTING:
        importlib.import_module(f"jobs.{name}").run(of_day)
    return fit_run
