"""The gate: may a challenger be published? Every rule reports, with its figures.

Rules, all of which must pass:

- *users*: at least ``min_users`` hold-out users with relevant items. With fewer there is no
  verdict on quality: the challenger passes where there is no champion (the alternative is to
  serve nothing) or where the champion has the same recipe (a daily refresh of what was approved
  before; refusing it would only let the lists go stale), and is refused where it would bring a
  new recipe in unproven.
- *popularity* and *champion*: the metric may fall below the other's by at most the configured
  share. By default the mean decides, and the sentence says whether the paired interval leaves a
  doubt; with ``evidence: interval`` the whole interval must stay within the tolerated loss. The
  champion is to be scored on the same hold-out, trained without it, or it has seen the answers.
- *coverage* and *lists*: a floor on the catalogue's share that is shown, and no list shorter than
  it should be. These need no hold-out, so they hold whatever the number of users.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys_batch import columns as c
from recsys_batch.config import GateSettings
from recsys_batch.errors import ConfigError, ContractError
from recsys_batch.evaluation.intervals import Difference, paired
from recsys_batch.evaluation.rows import metric_label
from recsys_batch.evaluation.scores import Scores


@dataclass(frozen=True)
class Rule:
    """What one rule found: its name, whether it lets the challenger pass, and why."""

    name: str
    passed: bool
    reason: str


@dataclass(frozen=True)
class Decision:
    """The verdict: rules for users, popularity, champion, coverage and lists, in this order."""

    rules: tuple[Rule, ...]

    @property
    def passed(self) -> bool:
        """Whether every rule passed."""
        return all(rule.passed for rule in self.rules)

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence a rule, with its figures."""
        return tuple(rule.reason for rule in self.rules)

    def to_dict(self) -> dict[str, object]:
        """Return the columns of the `decisions` table: passed and reasons."""
        return {c.PASSED: self.passed, c.REASONS: list(self.reasons)}


def decide(
    *,
    challenger: Scores,
    popularity: Scores,
    champion: Scores | None,
    settings: GateSettings,
    challenger_recipe: str | None = None,
    champion_recipe: str | None = None,
) -> Decision:
    """Decide whether the challenger may be published.

    Parameters
    ----------
    challenger, popularity
        Scores of the new lists and of popularity on the same users.
    champion
        Scores of the recipe that is serving, on the same users; None where nothing serves, or
        where its recipe is the challenger's and was not scored again.
    settings
        The thresholds.
    challenger_recipe, champion_recipe
        Digests of the settings that made each; a champion recipe without champion scores says
        that something serves.

    Raises
    ------
    ConfigError
        The metric is not one that `evaluate` computes.
    ContractError
        The models were not scored on the same users at the same depth.
    """
    same = champion_recipe is not None and champion_recipe == challenger_recipe
    serving = champion is not None or champion_recipe is not None
    for name, other in (("popularity", popularity), ("champion", champion)):
        if other is not None:
            _check_comparable(challenger, other, name=name, metric=settings.metric)
    enough = challenger.users >= settings.min_users
    against_popularity = _compare(
        challenger, popularity, "popularity", settings, settings.max_loss_to_popularity, enough
    )
    return Decision(
        (
            _users(challenger, settings, serving=serving, same=same),
            against_popularity,
            _champion(challenger, champion, settings, enough, champion_recipe, same=same),
            _coverage(challenger, settings),
            _lists(challenger),
        )
    )


def _users(challenger: Scores, settings: GateSettings, *, serving: bool, same: bool) -> Rule:
    found = f"{challenger.users} hold-out users had something relevant"
    if challenger.users >= settings.min_users:
        return Rule("users", True, f"{found}, at least the {settings.min_users} a verdict needs.")
    found = f"Only {found}, fewer than the {settings.min_users} a verdict needs"
    if not serving:
        why = "passed without a verdict because nothing is serving yet"
    elif same:
        why = "passed without a verdict because the champion has the same recipe"
    else:
        why = "refused because a new recipe would replace the champion unproven"
    return Rule("users", not serving or same, f"{found}: {why}.")


def _champion(
    challenger: Scores,
    champion: Scores | None,
    settings: GateSettings,
    enough: bool,
    recipe: str | None,
    *,
    same: bool,
) -> Rule:
    if champion is None and recipe is None:
        return Rule("champion", True, "There is no champion to compare with.")
    told = f"The champion has the same recipe ({str(recipe)[:12]})" if same else ""
    if champion is None and same:
        return Rule("champion", True, f"{told}, so only the data differ; it was not scored apart.")
    if champion is None:
        reason = (
            f"The champion (recipe {str(recipe)[:12]}) was not scored on this hold-out, so nothing "
            "shows that the challenger is as good; refused."
        )
        return Rule("champion", False, reason)
    loss = settings.max_loss_to_champion
    rule = _compare(challenger, champion, "champion", settings, loss, enough)
    return Rule(rule.name, rule.passed, f"{told}: {rule.reason}" if same else rule.reason)


def _compare(
    challenger: Scores,
    other: Scores,
    name: str,
    settings: GateSettings,
    max_loss: float,
    enough: bool,
) -> Rule:
    """Hold the metric against ``(1 - max_loss)`` times the other's, user by user."""
    metric = settings.metric
    whom = "the champion" if name == "champion" else name
    shown = metric_label(challenger.key(metric))
    if not enough:
        return Rule(name, True, f"{shown} was not held against {whom}: too few hold-out users.")
    ours, theirs = challenger.per_user[metric], other.per_user[metric]
    kept = 1.0 - max_loss
    plain = _paired(challenger, ours, theirs)
    margin = _paired(challenger, ours, kept * theirs).difference
    passed = (margin.low if settings.evidence == "interval" else margin.value) >= 0
    asked = "not below it" if not max_loss else f"at most {max_loss:.3g} of it below"
    whose = "the whole interval" if settings.evidence == "interval" else "the mean"
    reason = (
        f"{shown} is {ours[~np.isnan(ours)].mean():.4f} against "
        f"{theirs[~np.isnan(theirs)].mean():.4f} of {whom}, {_change(challenger, plain)}; "
        f"asked for: {whose} {asked}, which {'holds' if passed else 'fails'}."
    )
    return Rule(name, passed, reason)


def _change(scores: Scores, found: Difference) -> str:
    low, high = found.difference.low, found.difference.high
    if low > 0 or high < 0:
        doubt = "shown"
    elif low == high == 0:
        doubt = "the same for every user"
    else:
        doubt = "within chance"
    level = f"{100 * scores.settings.confidence:.4g} %"
    return (
        f"a difference of {found.difference.value:+.4f} ({level} interval {low:+.4f} to "
        f"{high:+.4f}, p = {found.p_value:.3f}, {doubt})"
    )


def _paired(scores: Scores, a: np.ndarray, b: np.ndarray) -> Difference:
    used = scores.settings
    return paired(a, b, resamples=used.resamples, confidence=used.confidence, seed=used.seed)


def _coverage(challenger: Scores, settings: GateSettings) -> Rule:
    share = challenger.catalogue["coverage"].value
    passed = share >= settings.min_coverage
    reason = (
        f"{100 * share:.2f} % of {challenger.n_items} items stand in the first "
        f"{challenger.settings.k} of some list, {'at least' if passed else 'below'} the "
        f"{100 * settings.min_coverage:.4g} % asked for."
    )
    return Rule("coverage", passed, reason)


def _lists(challenger: Scores) -> Rule:
    total = challenger.users + challenger.users_without_relevant
    short = challenger.short_lists
    if not short:
        return Rule("lists", True, f"All {total} lists are complete.")
    reason = (
        f"{short} of {total} lists hold fewer items than they should, "
        f"{challenger.empty_lists} of them none."
    )
    return Rule("lists", False, reason)


def _check_comparable(challenger: Scores, other: Scores, *, name: str, metric: str) -> None:
    if metric not in challenger.per_user:
        raise ConfigError(
            f"there is no metric {metric!r}",
            where="setting gate.metric",
            fix=f"use one of {', '.join(sorted(challenger.per_user))}",
        )
    ours, theirs = challenger.per_user[metric], other.per_user.get(metric)
    same = theirs is not None and np.array_equal(np.isnan(ours), np.isnan(theirs))
    if not same or challenger.key(metric) != other.key(metric):
        raise ContractError(
            f"challenger and {name} differ in the users or the depth they were scored on",
            where="gate",
            fix="evaluate all models on one hold-out with the same settings",
        )
