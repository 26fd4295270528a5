import pytest
from pydantic import ValidationError

from recsys_batch.errors import ConfigError
from recsys_batch.simulator import PRESETS, ShopSettings, shop_settings


def test_every_setting_has_a_sentence() -> None:
    for name, field in ShopSettings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_presets_differ_from_the_shop_where_they_should() -> None:
    assert set(PRESETS) == {"shop", "news", "groceries", "films"}
    assert PRESETS["news"].slice_hours == 1
    assert PRESETS["shop"].slice_hours == 24
    assert PRESETS["films"].repeat_interval_days is None
    assert PRESETS["groceries"].repeat_interval_days == 7


def test_overrides_win_and_the_preset_stays() -> None:
    settings = shop_settings("films", {"users": 5})
    assert settings.users == 5
    assert settings.theme == "films"
    assert PRESETS["films"].users == 2000


@pytest.mark.parametrize(
    ("preset", "overrides", "said"),
    [
        ("bakery", {}, "there is no preset 'bakery'; use one of shop, news"),
        ("shop", {"users": 0}, "users: input should be greater than or equal to 1"),
        ("shop", {"colour": "red"}, "colour: extra inputs are not permitted"),
        ("shop", {"policy_popularity": 0.9}, "more than 1 together"),
    ],
)
def test_wrong_settings_are_named(preset: str, overrides: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        shop_settings(preset, overrides)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        ShopSettings().users = 3  # type: ignore[misc]
