"""Seal the lists as an immutable publication with its manifest, if the gate let them pass."""

from __future__ import annotations

from typing import Any

from recsys_batch import columns as c
from recsys_batch.errors import GateRefusedError
from recsys_batch.job import Job, main
from recsys_batch.lake.ledger import read_rows
from recsys_batch.models.recipes import Recipe
from recsys_batch.publish.card import card_path, model_card
from recsys_batch.publish.manifest import seal


def run(job: Job) -> dict[str, Any]:
    """Return the sealed manifest; raise `GateRefusedError` where the gate kept the champion."""
    opened = job.open_run()
    decisions = read_rows(job.home, "decisions", run_id=opened.run_id)
    if not decisions or not decisions[0]["passed"]:
        reasons = " ".join(decisions[0]["reasons"]) if decisions else "the gate has not decided"
        raise GateRefusedError(
            f"the gate kept the champion: {reasons.rstrip('.')}",
            where=f"run {opened.run_id}",
            fix="look at the metrics, correct data or settings, and run the day again",
        )
    models = read_rows(job.home, "models", run_id=opened.run_id)
    metrics = read_rows(job.home, "metrics", run_id=opened.run_id)
    manifest = seal(
        job.lake,
        opened,
        recipe=Recipe.model_validate_json(models[0]["recipe"]).summary(),
        metrics={row[c.METRIC]: row[c.VALUE] for row in metrics if row[c.MODEL] == "lists"},
    )
    card = card_path(job.home, opened.run_id)
    card.parent.mkdir(exist_ok=True)
    text = model_card(
        manifest,
        dataset=job.settings.dataset.title or job.settings.dataset.name,
        recipe=read_rows(job.home, "recipes", run_id=opened.run_id)[0],
        metrics=metrics,
        segments=read_rows(job.home, "segments", run_id=opened.run_id),
        decision=decisions[0],
        rules=job.policy.version,
    )
    card.write_text(text, encoding="utf-8")
    job.say(
        f"publication {opened.run_id}: {manifest['rows']['topn_user']} user lists, "
        f"{manifest['rows']['topn_segment']} fallback lists"
    )
    return manifest


if __name__ == "__main__":
    main("publish", run)
