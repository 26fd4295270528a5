"""Whether trees re-rank what the weighed sources bring, and which: by the users of all cuts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recsys_batch.errors import ContractError
from recsys_batch.models.recipes import Trees
from recsys_batch.models.sources import SourceSettings
from recsys_batch.ranking.blend import Blend
from recsys_batch.ranking.candidates import Candidates, narrowed
from recsys_batch.ranking.examples import Lesson
from recsys_batch.ranking.features import make_history
from recsys_batch.ranking.reranker import RerankerSettings, stored_trees
from recsys_batch.ranking.trial import Trial, try_rerankers
from recsys_batch.ranking.validation import wanted
from recsys_batch.tuning.clicks import ClickSettings, learn_from_clicks
from recsys_batch.tuning.search import BROUGHT, Search

ON_IMPRESSIONS = "LambdaRank on impressions"


def choose_trees(
    search: Search,
    brought: Sequence[Candidates],
    *,
    sources: Mapping[str, SourceSettings],
    weights: Mapping[str, float],
    clicks: ClickSettings,
) -> Trees | None:
    """A re-ranker over the weighed sources, where it is shown to be better than they are.

    Parameters
    ----------
    brought
        What the sources brought for the users of each cut.
    sources
        Their settings.
    weights
        Of those that are weighed.
    clicks
        Which impressions are learnt from.
    """
    half_lives = (search.interest, search.popularity)
    lessons = []
    for cut, each in zip(search.cuts, brought, strict=True):
        found = narrowed(each, tuple(weights), BROUGHT)
        history = make_history(cut.data(*half_lives).weights)
        lessons.append(Lesson(found, wanted(found.items, cut.truth), cut.rows, history))
    settings = RerankerSettings(
        k=search.k, depth=BROUGHT, trees=50, leaves=7, learning_rate=0.03, folds=4
    )
    learnt, told = learn_from_clicks(
        search.cuts[0].log,
        before=min(cut.at for cut in search.cuts),
        half_lives=half_lives,
        repeats=search.repeats,
        sources={name: sources[name] for name in weights},
        blend=Blend(tuple(weights), tuple(weights.values())),
        per_source=BROUGHT,
        reranker=settings,
        settings=clicks,
    )
    if told is not None:
        search.say(told)
    try:
        trial, trees = try_rerankers(
            Blend(tuple(weights), tuple(weights.values())),
            lessons,
            settings,
            ready={} if learnt is None else {ON_IMPRESSIONS: learnt},
        )
    except ContractError:  # no user's candidates tell anything
        return None
    search.say(_told(trial))
    search.trials.tell_contenders(trial, settings)
    return None if trees is None else stored_trees(trees)


def _told(trial: Trial) -> str:
    """What the contenders reached, and which was taken."""
    figures = "; ".join(
        f"{name} {each.ndcg:.4f} (95 % of the difference in {each.low:+.4f} to {each.high:+.4f})"
        for name, each in trial.contenders.items()
    )
    taken = "none is taken" if trial.best is None else f"{trial.best} is taken"
    return f"re-ranked, by the weights alone {trial.blend:.4f}; {figures}: {taken}"
