"""The index of hashes against a dictionary; merges, gaps, damage and another history."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_batch.lake.hash_index import HashIndex

BATCHES = {seq: f"{seq:016x}" for seq in range(1, 100)}
rows = st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 9)), max_size=12)


def index(folder: Path, **other: str) -> HashIndex:
    return HashIndex(folder, BATCHES | {int(seq[1:]): name for seq, name in other.items()})


def add(index: HashIndex, last: int, *pairs: tuple[int, int]) -> None:
    hashes, days = np.array(pairs, np.int64).reshape(-1, 2).T
    index.add(last, hashes, days.astype(np.int32))


def days(index: HashIndex, *hashes: int) -> list[int]:
    return index.days_of(np.array(hashes, np.int64)).tolist()


@settings(max_examples=200, deadline=None)
@given(st.lists(rows, max_size=8), st.lists(st.integers(-6, 6), max_size=8))
def test_it_says_the_days_that_a_dictionary_says(
    batches: list[list[tuple[int, int]]], wanted: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = index(Path(folder))
        for seq, pairs in enumerate(batches, start=1):
            add(made, seq, *pairs)
        seen = {day for pairs in batches for each, day in pairs if each in wanted}
        assert days(made, *wanted) == sorted(seen)


def test_equal_hashes_of_several_days_are_all_found(tmp_path: Path) -> None:
    made = index(tmp_path)
    add(made, 1, (7, 3), (7, 1), (7, 2), (8, 9))
    assert days(made, 7) == [1, 2, 3]
    assert days(made, 9) == []


def test_runs_stay_few_and_entries_are_rewritten_seldom(tmp_path: Path) -> None:
    made, written = index(tmp_path), 0
    for seq in range(1, 65):
        before = set(tmp_path.iterdir())
        add(made, seq, *((seq * 100 + n, seq) for n in range(10)))
        written += sum(path.stat().st_size // 12 for path in set(tmp_path.iterdir()) - before)
        assert len(made.runs()) <= 1 + np.log2(seq)
        assert made.covered() == seq
    assert written <= 640 * np.log2(64)
    assert days(made, *range(7000)) == list(range(1, 65))


def test_a_run_of_another_history_a_cut_one_and_a_gap_are_passed_over(tmp_path: Path) -> None:
    made = index(tmp_path)
    for seq, many in ((1, 90), (2, 20), (3, 4)):
        add(made, seq, *((seq, seq) for _ in range(many)))
    assert [run.last for run in made.runs()] == [1, 2, 3]
    assert index(tmp_path, _2="ffff").covered() == 1
    last = made.runs()[-1].path
    last.write_bytes(last.read_bytes()[:-1])
    assert made.covered() == 2
    made.runs()[0].path.unlink()
    assert made.covered() == 0
    add(made, 3, (5, 5))
    assert (made.covered(), days(made, 2, 5)) == (3, [5])
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_kill_left_between_a_merge_and_its_clearing_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = index(tmp_path)
    add(made, 1, (1, 1))
    with monkeypatch.context() as killed:
        killed.setattr(Path, "unlink", lambda _path: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            add(made, 2, (2, 2))
    assert len(list(tmp_path.iterdir())) == 2
    assert ([(run.first, run.last) for run in made.runs()], days(made, 1, 2)) == ([(1, 2)], [1, 2])
    add(made, 3, (3, 3))
    assert days(made, 1, 2, 3) == [1, 2, 3]
