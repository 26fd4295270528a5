import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys_batch.simulator import sampling
from recsys_batch.simulator.sampling import draw

# Two people, two pools: columns 0-1 and 2-4.
TABLE = np.array([[0.25, 0.75, 0.5, 0.3, 0.2], [1.0, 0.0, 0.0, 0.0, 1.0]])
STARTS = np.array([0, 2])


def _draw(
    users: list[int], pools: list[int], uniforms: list[float]
) -> tuple[list[int], list[float]]:
    chosen, chance = draw(
        lambda some: TABLE[some],
        starts=STARTS,
        columns=5,
        users=np.array(users),
        pools=np.array(pools),
        uniforms=np.array(uniforms),
    )
    return chosen.tolist(), chance.tolist()


def test_inversion_by_hand() -> None:
    chosen, chance = _draw([0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 0, 1], [0.2, 0.3, 0.49, 0.81, 0.9, 0.0])
    assert chosen == [0, 1, 2, 4, 0, 4]
    assert chance == [0.25, 0.75, 0.5, 0.2, 1.0, 1.0]


def test_no_draws() -> None:
    assert _draw([], [], []) == ([], [])


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.floats(0, 1, exclude_max=True))))
def test_blocks_do_not_change_a_draw(draws: list[tuple[int, int, float]]) -> None:
    columns = [list(each) for each in zip(*draws, strict=True)] or [[], [], []]
    whole = _draw(*columns)  # type: ignore[arg-type]
    cells, sampling.CELLS = sampling.CELLS, 5
    try:
        assert _draw(*columns) == whole  # type: ignore[arg-type]
    finally:
        sampling.CELLS = cells
    assert all(low <= item < high for item, (_, pool, _) in zip(whole[0], draws, strict=True)
               for low, high in [((0, 2), (2, 5))[pool]])  # fmt: skip


def test_frequencies_follow_the_table() -> None:
    rng = np.random.default_rng(3)
    chosen, _ = _draw([0] * 20_000, [1] * 20_000, rng.random(20_000).tolist())
    shares = np.bincount(chosen, minlength=5) / 20_000
    np.testing.assert_allclose(shares, [0, 0, 0.5, 0.3, 0.2], atol=0.015)
