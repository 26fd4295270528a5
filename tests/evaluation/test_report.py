from __future__ import annotations

import pytest

from recsys_batch.errors import ContractError
from recsys_batch.evaluation.report import quality_rows, quality_table

from .cases import make_lists, make_truth, score

TRUTH = make_truth([[0], [1], [2], [3]], 8)
PERFECT = score(make_lists([[0], [1], [2], [3]], 4), TRUTH)
SAME = score(make_lists([[0, 1, 2, 3]] * 4), TRUTH)
MISSING = score(make_lists([[4, 5, 6, 7]] * 4), TRUTH)


def row(rows, model, metric):
    return next(each for each in rows if (each["model"], each["metric"]) == (model, metric))


def test_rows_carry_the_paired_difference() -> None:
    rows = quality_rows({"lists": PERFECT, "popularity": SAME, "none": MISSING})
    found = row(rows, "lists", "mrr@3")
    # Popularity has item 0, 1, 2 at ranks 1, 2, 3 and item 3 beyond.
    assert found["difference"] == pytest.approx(1 - (1 + 1 / 2 + 1 / 3) / 4)
    assert found["difference_low"] > 0
    assert found["holds"] is True
    assert row(rows, "none", "ndcg@3")["holds"] is False
    assert row(rows, "popularity", "ndcg@3")["holds"] is None
    coverage = row(rows, "lists", "coverage@3")
    assert coverage["difference"] == pytest.approx(4 / 8 - 3 / 8)
    assert coverage["difference_low"] is None


def test_table_reads() -> None:
    text = quality_table(quality_rows({"lists": PERFECT, "popularity": SAME, "none": MISSING}))
    assert text.isascii()
    lines = [line.split() for line in text.splitlines() if line.strip()]
    assert " ".join(lines[0]) == (
        "model NDCG@3 precision@3 recall@4 MAP@3 hit rate@3 coverage@3 NDCG@3 vs popularity"
    )
    lists = next(line for line in lines if line[0] == "lists")
    assert lists[1:7] == ["1.0000", ".3333", "1.0000", "1.0000", "1.0000", ".5000"]
    assert "[1.0000, 1.0000]" in text
    assert "better" in text
    assert "worse" in text
    none = next(line for line in lines if line[0] == "none")
    assert none[1:6] == [".0000"] * 5
    assert none[7].startswith("-.")


def test_what_cannot_be_had_is_a_dash() -> None:
    nothing = score(make_lists([[0]] * 2), make_truth([[], []], 3))
    text = quality_table(quality_rows({"popularity": nothing, "lists": nothing}))
    found = next(line for line in text.splitlines() if line.strip().startswith("lists"))
    assert found.split()[1:6] == ["-"] * 5


def test_no_popularity_no_table() -> None:
    with pytest.raises(ContractError, match="no model 'popularity' among lists"):
        quality_rows({"lists": PERFECT})
    with pytest.raises(ContractError, match="same users"):
        quality_rows({"lists": PERFECT, "popularity": score(make_lists([[0]]), TRUTH[:1])})
