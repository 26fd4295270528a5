"""Errors are one sentence, survive processes, and end the command line with a status of theirs."""

from __future__ import annotations

import pickle

import pytest

from recsys_batch import errors
from recsys_batch.errors import RecsysError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_says_where_what_and_what_to_do(kind: type[RecsysError]) -> None:
    error = kind("column 'Qty' does not exist", where="a.csv, line 1", fix="map another")
    assert str(error) == "a.csv, line 1: column 'Qty' does not exist; map another."
    assert isinstance(error, RecsysError)
    assert error.exit_code > 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_pickling(kind: type[RecsysError]) -> None:
    """As when Spark or a pool hands it from a worker to the driver."""
    error = kind("it's broken", where="here", fix="mend it")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.what, again.where, again.fix, str(again)) == (
        "it's broken",
        "here",
        "mend it",
        str(error),
    )


def test_every_kind_is_documented_and_named_an_error() -> None:
    assert len(KINDS) > 10
    for kind in KINDS:
        assert kind.__name__.endswith("Error")
        assert kind.__doc__
