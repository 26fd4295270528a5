"""What the records are: their event types, what each is worth, and how often they repeat."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import get_args

from recsys_batch.config import EventType
from recsys_batch.ingest.guess.mapping import Choice
from recsys_batch.ingest.guess.roles import Column
from recsys_batch.ingest.guess.words import event_type_of, says_sale

# Share of repeated choices from which lists may hold what was chosen before. Small, since the first
# records of a file span little time and repeats only grow with it.
REPEATS = 0.02
_WEIGHTS = {"view": 0.1, "click": 0.2, "add_to_cart": 0.5, "purchase": 1.0, "rating": 1.0}
_STRONGEST = (("purchase", "rating"), ("add_to_cart",), ("click",), ("view",))
_OPEN_TO_DOUBT = {
    "rating": {"like", "liked", "favorite", "favourite", "fav", "love", "upvote", "thumbsup"},
    "add_to_cart": {"wishlist", "addtowishlist", "bookmark", "save"},
}


@dataclass(frozen=True)
class Rule:
    """A line of `events.types`, and why it is there."""

    type: str
    when: str
    why: str


@dataclass(frozen=True)
class Acts:
    """The event types of a file.

    Attributes
    ----------
    rules
        In the order in which they are tried.
    of
        Each record's type; None where no rule holds.
    checks
        What a person should look at.
    """

    rules: tuple[Rule, ...]
    of: tuple[str | None, ...]
    checks: tuple[str, ...]

    @property
    def types(self) -> tuple[str, ...]:
        """The types that some rule names."""
        return tuple(dict.fromkeys(rule.type for rule in self.rules))

    @property
    def strongest(self) -> tuple[str, ...]:
        """The types that say most about what a user wants."""
        for tier in _STRONGEST:
            if found := tuple(type_ for type_ in tier if type_ in self.types):
                return found
        return self.types

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each type, the strongest being 1; what is no choice weighs nothing."""
        known = {type_: _WEIGHTS[type_] for type_ in _WEIGHTS if type_ in self.types}
        top = max(known.values(), default=1.0)
        scaled = {type_: round(weight / top, 3) for type_, weight in known.items()}
        if not scaled:
            scaled = dict.fromkeys(self.strongest, 1.0)
        return scaled | ({"cancel": -1.0} if "cancel" in self.types else {})


def acts(fields: dict[str, Choice], *, records: int) -> Acts:
    """Event types by the type column's words, else by what the other columns are.

    Parameters
    ----------
    fields
        As `recsys_batch.ingest.guess.mapping.choose` found them.
    records
        Number of records read.
    """
    made = _acts(fields, records)
    return replace(made, checks=made.checks + _quantity_checks(made, fields.get("quantity")))


def _acts(fields: dict[str, Choice], records: int) -> Acts:
    kind = fields.get("type")
    known = _by_words(kind.column) if kind else None
    if known and known.rules:
        return known
    checks: tuple[str, ...] = known.checks if known else ()
    if "value" in fields:
        why = f"there is no event type, and {fields['value'].column.name} is a rating"
        return Acts((Rule("rating", "", why),), ("rating",) * records, checks)
    bought = [fields[name].column.name for name in ("quantity", "price") if name in fields]
    bought = bought or [
        fields[name].column.name
        for name in ("request_id", "time")
        if name in fields and says_sale(fields[name].column.name)
    ]
    if bought:
        why = f"there is no event type, and {' and '.join(bought)} make it a purchase"
        checks = (
            *checks,
            f"records are taken as purchases, since they have {' and '.join(bought)}",
        )
        made = Acts((Rule("purchase", "", why),), ("purchase",) * records, checks)
        return _with_cancel(made, fields.get("quantity"))
    why = "nothing tells what the records are"
    checks = (*checks, "records are taken as views, since no column tells what they are")
    return Acts((Rule("view", "", why),), ("view",) * records, checks)


def _by_words(column: Column) -> Acts:
    count = Counter(value.lower() for value in column.values)
    words: dict[str, list[str]] = {}
    for word in sorted(count):
        words.setdefault(event_type_of(word) or "", []).append(word)
    unknown = words.pop("", [])
    rules, checks = [], []
    for type_ in get_args(EventType):
        if found := words.get(type_):
            listed = ", ".join(_literal(word) for word in found)
            seen = "in the records read: " + ", ".join(f"{word} {count[word]}x" for word in found)
            rules.append(Rule(type_, f"lower(trim({column.sql})) IN ({listed})", seen))
            doubtful = [word for word in found if _plain(word) in _OPEN_TO_DOUBT.get(type_, ())]
            if doubtful:
                checks.append(f"{', '.join(doubtful)} in {column.name} is taken as {type_}")
    if unknown:
        many = sum(count[word] for word in unknown)
        fate = "will be quarantined as unknown_type" if rules else "could not be used"
        checks.append(
            f"{column.name} holds {', '.join(unknown[:8])} ({many}x), which {fate}: add a "
            "rule to events.types for what they mean"
        )
    if empty := column.cells.count(None):
        checks.append(f"{column.name} is empty in {empty} records, which match no rule")
    of = tuple(event_type_of(cell) if cell else None for cell in column.cells)
    return Acts(tuple(rules), of, tuple(checks))


def _with_cancel(made: Acts, quantity: Choice | None) -> Acts:
    """Put a cancel rule first: without a type, a negative quantity tells a return."""
    if quantity is None or quantity.column.number is None:
        return made
    numbers = quantity.column.numbers
    negative = sum(number is not None and number < 0 for number in numbers)
    amount = quantity.column.number.sql.format(quantity.column.sql)
    why = f"a negative quantity takes back what was bought; in the records read: {negative}x"
    of = tuple(
        "cancel" if number is not None and number < 0 else type_
        for type_, number in zip(made.of, numbers, strict=True)
    )
    rule = Rule("cancel", f"try_cast({amount} AS DOUBLE) < 0", why)
    return Acts((rule, *made.rules), of, made.checks)


def _quantity_checks(made: Acts, quantity: Choice | None) -> tuple[str, ...]:
    if quantity is None:
        return ()
    bad = sum(
        number is not None and number <= 0 and type_ not in {"cancel", None}
        for type_, number in zip(made.of, quantity.column.numbers, strict=True)
    )
    what = f"{quantity.column.name} is zero or negative without a cancel {bad}x, which will be"
    return (f"{what} quarantined as negative_quantity",) if bad else ()


def repeat_share(fields: dict[str, Choice], made: Acts) -> tuple[float, int]:
    """Share of the strongest events that choose, at another time, what the user chose before.

    Returns
    -------
    tuple
        The share, and the number of events it is a share of.
    """
    user, item, time = (fields[role].column.cells for role in ("user_id", "item_id", "time"))
    first: dict[tuple[str, str], str | None] = {}
    events = repeats = 0
    for who, what, when, type_ in zip(user, item, time, made.of, strict=True):
        if who is None or what is None or type_ not in made.strongest:
            continue
        events += 1
        repeats += first.setdefault((who, what), when) != when
    return repeats / max(1, events), events


def _literal(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _plain(word: str) -> str:
    return "".join(letter for letter in word if letter.isalnum())
