import json

import pytest

from recsys_batch.simulator.dirt import FAULTS, spoil

COLUMNS = ["event_id", "item_id", "event_type", "event_time", "price", "quantity"]
LINE = b"e1,i1,view,2026-01-02T03:04:05Z,,"
OBJECT = (
    b'{"event_id":"e1","item_id":"i1","event_type":"view",'
    b'"event_time":"2026-01-02T03:04:05Z","price":null,"quantity":null}'
)
CHANGES = {
    "missing_item": {"item_id": None},
    "bad_time": {"event_time": "yesterday at noon"},
    "unknown_type": {"event_type": "teleport"},
    "negative_quantity": {"event_type": "purchase", "quantity": -2},
    "bad_price": {"price": "twelve"},
    "future_time": {"event_time": "2036-06-15T03:04:05Z"},
}


@pytest.mark.parametrize("fault", CHANGES)
def test_a_field_fault_changes_its_fields_only(fault: str) -> None:
    as_object = json.loads(spoil(OBJECT, fault=fault, columns=COLUMNS, json_lines=True))
    assert as_object == {**json.loads(OBJECT), **CHANGES[fault]}
    as_text = spoil(LINE, fault=fault, columns=COLUMNS, json_lines=False).decode().split(",")
    assert as_text == ["" if each is None else str(each) for each in as_object.values()]


def test_a_broken_line_is_cut() -> None:
    cut = spoil(LINE, fault="broken_line", columns=COLUMNS, json_lines=False)
    assert cut.decode().count(",") < len(COLUMNS) - 1
    with pytest.raises(json.JSONDecodeError):
        json.loads(spoil(OBJECT, fault="broken_line", columns=COLUMNS, json_lines=True))


def test_every_fault_is_known() -> None:
    assert set(FAULTS) == {*CHANGES, "broken_line"}
