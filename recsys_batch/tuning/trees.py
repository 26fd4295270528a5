"""Whether trees re-rank what the weighed sources bring, and what a score means: by all cuts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recsys_batch.errors import ContractError
from recsys_batch.models.recipes import Calibration, Trees
from recsys_batch.models.sources import SourceSettings
from recsys_batch.ranking.blend import Blend
from recsys_batch.ranking.calibration import Scored, fit_calibration
from recsys_batch.ranking.candidates import Candidates, narrowed
from recsys_batch.ranking.examples import Lesson
from recsys_batch.ranking.features import make_history
from recsys_batch.ranking.reranker import RerankerSettings, stored_trees
from recsys_batch.ranking.trial import Trial, blend_scores, try_rerankers
from recsys_batch.ranking.validation import wanted
from recsys_batch.tuning.clicks import ClickSettings, learn_from_clicks
from recsys_batch.tuning.search import BROUGHT, Search

ON_IMPRESSIONS = "LambdaRank on impressions"


def choose_trees(
    search: Search,
    lessons: Sequence[Lesson],
    *,
    sources: Mapping[str, SourceSettings],
    blend: Blend,
    clicks: ClickSettings,
) -> tuple[Trees | None, Scored]:
    """A re-ranker over the weighed sources, where it is shown to be better than they are.

    Parameters
    ----------
    lessons
        The users of each cut.
    sources
        Settings of what the blend weighs, in its order.
    clicks
        Which impressions are learnt from.

    Returns
    -------
    tuple
        The trees, None where the blend orders; and scores of whichever of them does.
    """
    settings = RerankerSettings(
        k=search.k, depth=BROUGHT, trees=50, leaves=7, learning_rate=0.03, folds=4
    )
    learnt, told = learn_from_clicks(
        search.cuts[0].log,
        before=min(cut.at for cut in search.cuts),
        half_lives=(search.interest, search.popularity),
        repeats=search.repeats,
        sources=sources,
        blend=blend,
        per_source=BROUGHT,
        reranker=settings,
        settings=clicks,
    )
    if told is not None:
        search.say(told)
    ready = {} if learnt is None else {ON_IMPRESSIONS: learnt}
    try:
        verdict = try_rerankers(blend, lessons, settings, ready=ready)
    except ContractError:  # no user's candidates tell anything
        return None, blend_scores(blend, lessons, depth=BROUGHT)
    search.say(_told(verdict.trial))
    search.trials.tell_contenders(verdict.trial, settings)
    if verdict.reranker is None or verdict.trial.best is None:
        return None, verdict.scored
    return stored_trees(verdict.reranker, verdict.trial.best), verdict.scored


def choose_calibration(search: Search, scored: Scored, *, seed: int) -> Calibration | None:
    """How scores become probabilities; None where too few candidates were wanted."""
    fitted = fit_calibration(scored, seed=seed)
    if fitted is None:
        search.say(f"scores are not calibrated by {int(scored.hits.sum())} wanted candidates")
        return None
    kinds = ", ".join(f"{kind} {loss:.5f}" for kind, loss in fitted.losses.items())
    search.say(
        f"scores are calibrated ({fitted.calibration.kind}): logarithmic loss of other users "
        f"{kinds}, by one probability for all {fitted.base_loss:.5f}"
    )
    return fitted.calibration


def lessons_of(
    search: Search, brought: Sequence[Candidates], names: tuple[str, ...]
) -> list[Lesson]:
    """What sources brought for the users of each cut, beside what they wanted."""
    lessons = []
    for cut, each in zip(search.cuts, brought, strict=True):
        found = narrowed(each, names, BROUGHT)
        history = make_history(cut.data(search.interest, search.popularity).weights)
        lessons.append(Lesson(found, wanted(found.items, cut.truth), cut.rows, history))
    return lessons


def _told(trial: Trial) -> str:
    """What the contenders reached, and which was taken."""
    figures = "; ".join(
        f"{name} {each.ndcg:.4f} (95 % of the difference in {each.low:+.4f} to {each.high:+.4f})"
        for name, each in trial.contenders.items()
    )
    taken = "none is taken" if trial.best is None else f"{trial.best} is taken"
    return f"re-ranked, by the weights alone {trial.blend:.4f}; {figures}: {taken}"
