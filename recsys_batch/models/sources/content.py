"""Content: items whose texts are like those of the user's items, cold items included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from recsys_batch.errors import InputDataError
from recsys_batch.models.sources.interface import (
    Floats,
    Fold,
    ProfiledSettings,
    Rows,
    SourceData,
)

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer


class ContentSettings(ProfiledSettings):
    """Cosine of TF-IDF vectors: the user's is the mean of the items' (Rocchio)."""

    kind: Literal["content"] = "content"
    max_terms: int = Field(20000, ge=1, description="Most frequent terms kept.")
    min_items: int = Field(1, ge=1, description="Items a term must occur in to be kept.")

    def fit(self, data: SourceData, *, threads: int = 1) -> Content:  # noqa: ARG002
        """Weigh the terms of the items' texts, and add them up by user."""
        if data.texts is None:
            raise InputDataError(
                "items have no texts",
                where="source content",
                fix="map title, category or description, or leave the source out",
            )
        vectorizer = _vectorizer(max_features=self.max_terms, min_df=self.min_items)
        try:
            items = sparse.csr_matrix(vectorizer.fit_transform(data.texts))
        except ValueError as error:  # scikit-learn's "empty vocabulary"
            raise InputDataError(
                "the items' texts hold no words",
                where="source content",
                fix="map title, category or description, or leave the source out",
            ) from error
        names = tuple(vectorizer.get_feature_names_out().tolist())
        return self._of_users(data, items, Terms(names, vectorizer.idf_))

    def refold(self, fitted: Content, data: SourceData, fold: Fold) -> Content:  # noqa: ARG002
        """Keep the terms and what each weighs; items that are new are told by their texts, too."""
        assert data.texts is not None
        return self._of_users(data, fitted.terms.vectors(data.texts), fitted.terms)

    def _of_users(self, data: SourceData, items: sparse.csr_matrix, terms: Terms) -> Content:
        users = sparse.csr_matrix(data.profile(self.profile_half_life_days) @ items)
        lengths = np.sqrt(np.asarray(users.multiply(users).sum(axis=1)).ravel())
        lengths[lengths == 0] = 1.0
        users = sparse.csr_matrix(sparse.diags_array(1.0 / lengths) @ users, dtype=np.float32)
        return Content(users, items.T.tocsr(), terms)


@dataclass(frozen=True, eq=False)
class Terms:
    """The terms of a fit's texts, and what each weighs.

    A stored model holds these and no vectorizer: reading it imports scikit-learn nowhere.
    """

    names: tuple[str, ...]
    weights: Floats

    def vectors(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """The vectors of texts, texts x terms."""
        vectorizer = _vectorizer(vocabulary=self.names)
        vectorizer.idf_ = self.weights
        return sparse.csr_matrix(vectorizer.transform(texts))


def _vectorizer(**options: Any) -> TfidfVectorizer:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        token_pattern=r"(?u)\b\w+\b",  # noqa: S106  (a pattern of words, not a secret)
        sublinear_tf=True,
        dtype=np.float32,
        **options,
    )


class Content:
    """Scores by the cosine of a user's and an item's texts."""

    def __init__(self, users: sparse.csr_matrix, items: sparse.csr_matrix, terms: Terms) -> None:
        self._users, self._items, self.terms = users, items, terms

    def scores(self, rows: Rows) -> Floats:
        """Score all items for some users."""
        return np.asarray((self._users[rows] @ self._items).toarray(), dtype=np.float32)
