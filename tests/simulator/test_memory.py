import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys_batch.simulator import ShopSettings
from recsys_batch.simulator.memory import Memory


def _memory(interval: float | None, loyalty: float = 0.5) -> Memory:
    memory = Memory(ShopSettings(repeat_interval_days=interval, loyalty=loyalty))
    # Person 1 buys item 5 on day 0 and becomes a regular buyer; person 2 buys item 6 and does not.
    memory.remember(np.array([2, 1]), np.array([6, 5]), np.array([0.0, 0.0]), np.array([0.9, 0.1]))
    return memory


def test_need_by_hand() -> None:
    users, items = np.array([1, 1, 1, 3]), np.array([5, 5, 6, 5])
    days = np.array([5.0, 20.0, 5.0, 5.0])
    assert _memory(10.0).need(users, items, days).tolist() == [0.125, 1.0, 1.0, 1.0]
    assert _memory(None).need(users, items, days).tolist() == [0.0, 0.0, 1.0, 1.0]


def test_regulars_by_hand() -> None:
    visit, item, want = _memory(10.0).regulars(np.array([2, 1, 0]), np.array([5.0, 5.0, 5.0]))
    assert (visit.tolist(), item.tolist(), want.tolist()) == ([1], [5], [0.125])


def test_a_later_purchase_ends_the_want_and_keeps_the_habit() -> None:
    memory = _memory(10.0)
    memory.remember(np.array([1]), np.array([5]), np.array([8.0]), np.array([0.99]))
    assert memory.need(np.array([1]), np.array([5]), np.array([13.0])).tolist() == [0.125]
    assert memory.regulars(np.array([1]), np.array([13.0]))[1].tolist() == [5]


def test_nothing_is_owned_at_first() -> None:
    memory = Memory(ShopSettings())
    assert memory.need(np.array([0, 1]), np.array([0, 1]), np.zeros(2)).tolist() == [1.0, 1.0]
    assert len(memory.regulars(np.array([0, 1]), np.zeros(2))[0]) == 0


@given(st.lists(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1), max_size=8))
def test_agrees_with_a_dictionary(days: list[set[tuple[int, int]]]) -> None:
    memory, last = Memory(ShopSettings(repeat_interval_days=4.0)), {}
    for day, bought in enumerate(days):
        users, items = (np.array(each) for each in zip(*bought, strict=True))
        memory.remember(users, items, np.full(len(users), float(day)), np.zeros(len(users)))
        last.update(dict.fromkeys(bought, day))
    pairs = [(user, item) for user in range(6) for item in range(6)]
    users, items = (np.array(each) for each in zip(*pairs, strict=True))
    now = float(len(days))
    expected = [min((now - last[each]) / 4, 1) ** 3 if each in last else 1.0 for each in pairs]
    np.testing.assert_allclose(memory.need(users, items, np.full(36, now)), expected)
