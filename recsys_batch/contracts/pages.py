"""Validation evidence as static pages: one a run and table, and an index of all.

Great Expectations' own site draws its tables with scripts and styles from the network and names
files by the clock. These pages hold the same results, open without a network, and are the same
bytes when a run is repeated.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;
color:#1c2430;background:#fff}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.4rem .7rem;border-bottom:1px solid #d5dae1;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}
code{font-size:.85em;color:#465267;overflow-wrap:anywhere}
.passed{color:#12652f}.warning{color:#8a5a00}.failed{color:#a4161a;font-weight:600}
@media(prefers-color-scheme:dark){body{color:#e4e8ee;background:#14181f}
th,td{border-color:#333c49}code{color:#a9b4c4}
.passed{color:#6fd08c}.warning{color:#e8b04a}.failed{color:#ff8a8a}a{color:#8ab4ff}}
"""


def write_pages(
    docs: Path, *, run_id: str, table: str, evidence: Sequence[Mapping[str, Any]]
) -> Path:
    """Write a table's page, its evidence as JSON beside it, and the index; return the page.

    Parameters
    ----------
    docs
        Folder; made where it does not exist.
    evidence
        One a check: expectation, column, severity, success, observed, unexpected_count, meaning.
    """
    folder = docs / _safe(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    content = {"run_id": run_id, "table": table, "results": list(evidence)}
    page = folder / f"{_safe(table)}.html"
    _replace(page.with_suffix(".json"), json.dumps(content, indent=1, sort_keys=True) + "\n")
    _replace(page, _table_page(content))
    _replace(docs / "index.html", _index_page(docs))
    return page


def _table_page(content: Mapping[str, Any]) -> str:
    body = "".join(
        f"<tr><td>{_mark(each)}</td><td>{escape(each['meaning'])}<br>"
        f"<code>{escape(each['expectation'])}</code></td>"
        f"<td>{escape(each['column'] or 'the table')}</td><td>{escape(each['severity'])}</td>"
        f"<td class=n>{_number(each['unexpected_count'])}</td>"
        f"<td><code>{escape(json.dumps(each['observed'], sort_keys=True))}</code></td></tr>\n"
        for each in content["results"]
    )
    head = ("Verdict", "Expectation", "Column", "Severity", "Unexpected rows", "Observed")
    title = f"{content['table']} in run {content['run_id']}"
    lead = f"<p>{_summary(content['results'])} <a href='../index.html'>All validations</a></p>"
    return _html(title, lead + _table(head, body))


def _index_page(docs: Path) -> str:
    body = ""
    for path in sorted(docs.glob("*/*.json"), key=lambda each: each.parts[-2:], reverse=True):
        content = json.loads(path.read_text(encoding="utf-8"))
        link = f"{path.parent.name}/{path.stem}.html"
        body += (
            f"<tr><td>{escape(content['run_id'])}</td>"
            f"<td><a href='{link}'>{escape(content['table'])}</a></td>"
            f"<td>{_summary(content['results'])}</td></tr>\n"
        )
    return _html("Validations", _table(("Run", "Table", "Verdict"), body))


def _mark(result: Mapping[str, Any]) -> str:
    if result["success"]:
        return "<span class=passed>✓ passed</span>"
    kind = "failed" if result["severity"] == "critical" else "warning"
    return f"<span class={kind}>✗ {kind}</span>"


def _summary(results: Sequence[Mapping[str, Any]]) -> str:
    broken = [each["severity"] for each in results if not each["success"]]
    failed, warned = broken.count("critical"), broken.count("warning")
    kind = "failed" if failed else "warning" if warned else "passed"
    held = len(results) - len(broken)
    tail = f", {failed} critical failed" if failed else ""
    tail += f", {warned} warned" if warned else ""
    return f"<span class={kind}>{held} of {len(results)} expectations hold{tail}.</span>"


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _table(head: Sequence[str], body: str) -> str:
    cells = "".join(f"<th>{each}</th>" for each in head)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>\n{body}</tbody></table>"


def _html(title: str, body: str) -> str:
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )


def _safe(name: str) -> str:
    return re.sub(r"[^\w-]", "_", name)


def _replace(path: Path, text: str) -> None:
    """Write a file so that readers see the old one or the new one."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
