"""Why an item is in a list, in words that its reader understands."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsys_batch.models.sources import CohortSettings, PopularSettings, RegionalSettings
from recsys_batch.ranking.model import RankingModel

_VERBS = {
    "purchase": "bought",
    "rating": "rated",
    "add_to_cart": "put into your cart",
    "click": "clicked on",
    "view": "looked at",
}


def unit_rows(factors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rows scaled to length one; zero rows stay zero."""
    norms = np.linalg.norm(factors, axis=1, keepdims=True)
    directions = np.divide(factors, norms, out=np.zeros_like(factors), where=norms > 0)
    return np.asarray(directions, dtype=np.float32)


class Reasons:
    """Reasons for the items of a model's lists.

    What is popular or trending says so. A personal item names the item of the user's history that
    lies closest to it in the latent space (by cosine; ties go to the smaller row), which is a
    reading of the model and no proof. An item that the user acted on before says so.
    """

    def __init__(self, model: RankingModel) -> None:
        self._trained_on = model.trained_on
        self._directions = unit_rows(np.asarray(model.factors.items))
        self._modelled: npt.NDArray[np.bool_] = np.any(self._directions != 0, axis=1)
        self._verbs = [_VERBS.get(act, "chose") for act in model.trained_on.act_names]
        self._impersonal: dict[int, str] = {}
        self._chosen = len(model.sources)  # from here on: what rules chose
        for place, settings in enumerate(model.recipe.sources.values()):
            if isinstance(settings, CohortSettings):
                self._impersonal[place] = "popular with {cohort}"
            elif isinstance(settings, RegionalSettings):
                self._impersonal[place] = "popular in {region}"
            elif isinstance(settings, PopularSettings):
                trending = settings.half_life_days is not None
                self._impersonal[place] = "trending" if trending else "popular with everyone"
        self._impersonal[len(model.sources)] = "picked for you"
        self._impersonal[len(model.sources) + 1] = "something new to try"

    def of(
        self, user: int, items: npt.NDArray[np.integer], sources: npt.NDArray[np.integer]
    ) -> list[str]:
        """A reason for each item of a user's list.

        Parameters
        ----------
        user
            Row of the user.
        items
            Item rows of the list.
        sources
            What brought each item, as `Ranked.sources` has it.
        """
        weights = self._trained_on.data.weights
        own = slice(weights.indptr[user], weights.indptr[user + 1])
        # Plain arrays: a number is read from a mapped one at many times the cost.
        history, acts = np.asarray(weights.indices[own]), np.asarray(self._trained_on.acts[own])
        causes, before = self._causes(items, history)
        popular = {int(source): self._popular(user, int(source)) for source in set(sources)}
        found = []
        for item, cause, again, source in zip(
            items, causes, before, sources[: len(items)], strict=True
        ):
            if int(source) >= self._chosen:
                found.append(self._impersonal[int(source)])
            elif again:
                found.append(f"because you {self._verbs[acts[cause]]} it before")
            elif int(source) in self._impersonal or not len(history):
                found.append(popular[int(source)])
            elif self._modelled[item] and self._modelled[history[cause]]:
                title = self._trained_on.titles[history[cause]]
                found.append(f"because you {self._verbs[acts[cause]]} {title}")
            else:
                found.append("close to your taste")
        return found

    def _causes(
        self, items: npt.NDArray[np.integer], history: npt.NDArray[np.integer]
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """Place in the history of each item's cause, and whether it is the item itself."""
        if not len(history):
            return np.zeros(len(items), dtype=np.intp), np.zeros(len(items), dtype=np.bool_)
        closest = np.argmax(self._directions[items] @ self._directions[history].T, axis=1)
        again = np.searchsorted(history, items).clip(max=len(history) - 1)
        before = np.asarray(history[again] == items, dtype=np.bool_)
        return np.where(before, again, closest), before

    def _popular(self, user: int, source: int) -> str:
        told, known = self._impersonal.get(source, "popular with everyone"), self._trained_on
        cohort = _name(known.cohort_names, known.data.cohorts, user)
        region = _name(known.region_names, known.data.regions, user)
        if "{cohort}" in told and cohort is None:
            told = "popular in {region}"
        if "{region}" in told and region is None:
            told = "popular with everyone"
        return told.format(cohort=cohort, region=region)


def _name(names: tuple[str, ...], codes: npt.NDArray[np.int32] | None, user: int) -> str | None:
    return None if codes is None or codes[user] < 0 else names[codes[user]]
