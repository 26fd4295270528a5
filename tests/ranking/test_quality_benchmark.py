"""The benchmark of quality scores the lists that it leaves, and says whether each goal holds."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from benchmarks.quality.report import keep_rows, write_reports
from benchmarks.quality.run import run_table
from benchmarks.quality.settings import TableSettings, table_settings
from benchmarks.quality.tables import TABLES, Table
from recsys_batch.models.sources import IalsSettings, PopularSettings, SourceData

USERS, ITEMS = 60, 40
SETTINGS = TableSettings.model_validate(
    {
        "about": "Users of two groups.",
        "found": "Not at all.",
        "k": 5,
        "metrics": ["recall", "ndcg"],
        "recall_at": [5, 40],
        "published": {"somebody": [0.1, 0.2]},
        "goals": {"ours": [0.01, 1.0], "cosine": [0.01, 0.01]},
        "checks": {
            "popularity": {
                "published": {"recall": 0.0, "ndcg": 0.0},
                "sources": {"popular": {"kind": "popular"}},
                "weights": {"popular": 1.0},
                "tolerance": 1e-9,
            }
        },
        "stack": {
            "sources": {"cosine": {"kind": "neighbours"}, "popular": {"kind": "popular"}},
            "per_source": ITEMS,
            "validation": {"share": 0.3},
            "blend": {"k": 5},
        },
    }
)


@pytest.fixture
def table() -> Table:
    rng = np.random.default_rng(4)
    own = np.add.outer(np.arange(USERS), np.arange(ITEMS)) % 2 == 0
    dense = rng.random((USERS, ITEMS)) < np.where(own, 0.7, 0.05)
    test = dense & (rng.random(dense.shape) < 0.25)
    train = sparse.csr_matrix((dense & ~test).astype(np.float32))
    truth = sparse.csr_matrix(test.astype(np.float32))
    rows = np.flatnonzero(np.diff(truth.indptr))
    ids = np.arange(USERS) + 1000, np.arange(ITEMS) * 3
    return Table(SourceData(train), truth, *ids, rows)


def test_the_whole_is_timed_beside_a_source(table, tmp_path):
    sources = {"ials": IalsSettings(factors=4), "popular": PopularSettings()}
    stack = SETTINGS.stack.model_copy(update={"sources": sources})
    settings = SETTINGS.model_copy(update={"stack": stack, "goals": {}, "paced": "ials"})
    rows = run_table("made", table, settings, data=tmp_path, out=tmp_path, say=lambda _line: None)
    alone, whole, ratio = [row for row in rows if "seconds" in row.metric]
    assert ratio.value == pytest.approx(whole.value / alone.value)
    assert ratio.holds is (ratio.value <= 3)


def test_every_table_has_its_configuration():
    for name in TABLES:
        settings = table_settings(name)
        assert len(settings.goals["ours"]) == len(settings.metrics)
        assert set(settings.goals) - {"ours"} <= set(settings.stack.sources)


def test_figures_are_those_of_the_lists_left_behind(table, tmp_path):
    rows = run_table("made", table, SETTINGS, data=tmp_path, out=tmp_path, say=lambda _line: None)
    figures = {(row.model, row.metric): row for row in rows}
    assert figures["published: somebody", "ndcg"].value == 0.2
    assert figures["ours", "recall"].holds is True
    assert figures["ours", "ndcg"].holds is False
    assert figures["recomputed: popularity", "recall"].holds is False
    assert figures["ours, cosine alone", "recall"].goal == 0.01
    assert figures["ours, popular alone", "recall"].goal is None
    alone = figures["candidates, cosine", "recall@5"].value
    assert alone == pytest.approx(figures["ours, cosine alone", "recall"].value)
    assert figures["candidates, merged", "recall@40"].value == pytest.approx(1.0)
    lists = pd.read_parquet(tmp_path / "made" / "lists.parquet")
    recalls = []
    for row in table.rows:
        own = lists[(lists["user"] == row + 1000) & (lists["rank"] <= 5)]["item"].to_numpy() // 3
        assert not np.isin(own, table.data.weights[[row]].indices).any()
        wanted = table.test[[row]].indices
        recalls.append(np.isin(own, wanted).sum() / len(wanted))
    assert np.mean(recalls) == pytest.approx(figures["ours", "recall"].value)


def test_the_report_has_a_row_a_figure(table, tmp_path):
    rows = run_table("made", table, SETTINGS, data=tmp_path, out=tmp_path, say=lambda _line: None)
    keep_rows(rows, tmp_path / "made", command="the command", about="Two groups")
    page = write_reports(tmp_path, ("not run", "made"), tmp_path)
    records = json.loads((tmp_path / "quality.json").read_text())
    assert len(records) == len(rows)
    assert all(
        set(each) == {"name", "value", "goal", "holds", "command", "seed"} for each in records
    )
    assert {each["command"] for each in records} == {"the command"}
    assert "| published: somebody | recall | 0.1000 |" in page
    assert (tmp_path / "quality.md").read_text() == page


@pytest.mark.realdata
def test_sar_recomputed_gives_the_published_figures(datasets):
    from benchmarks.quality.sar import fit_sar
    from benchmarks.quality.score import each_user, source_lists

    table = TABLES["ml100k"](datasets)
    lists = source_lists({"sar": fit_sar(datasets, table)}, {"sar": 1.0}, table, n=10)
    values = each_user(lists, table, names=("ndcg", "precision"), k=10)
    assert values["ndcg"].mean() == pytest.approx(0.3825, abs=5e-5)
    assert values["precision"].mean() == pytest.approx(0.3308, abs=5e-5)


@pytest.mark.realdata
def test_debiasing_lowers_the_error_on_random_ratings(datasets, tmp_path, monkeypatch):
    from benchmarks.quality import coat

    monkeypatch.setattr(coat, "GRID", coat.GRID[20:22])
    rows = {(row.model, row.metric): row for row in coat.run(datasets, out=tmp_path)}
    assert rows["debiasing", "reduction of mse"].holds
    assert (tmp_path / "coat" / "lists.parquet").exists()
