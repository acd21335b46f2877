from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from meter.errors import SettingsError
from meter.settings import SETTINGS, Settings, load, vendor_keys

VENDORS = ("OPENAI", "ANTHROPIC", "GEMINI", "MISTRAL", "DEEPSEEK", "XAI", "GROQ")
KEYS = [f"{vendor}_API_KEY" for vendor in VENDORS]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a new home folder, as the environment names it."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in list(os.environ):
        if name.startswith(("METER_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a new working folder, in which the process stands."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return an environment with a home folder and nothing else of the user's."""
    return {"HOME": str(home), **more}


def write(path: Path, text: str) -> Path:
    """Write a file and the folders it stands in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


class TestDefaults:
    def test_nothing_set_gives_the_documented_defaults(self, home: Path, here: Path) -> None:
        found = load(environment(home), here)
        assert found == Settings(
            ledger=str(home / ".local/share/meter/ledger.db"),
            user=None,
            environment="default",
            model=None,
            zone=None,
            currency="USD",
            lang="en",
            count="always",
            holds="always",
            durability="process",
            on_unavailable="allow",
            spill="file",
            system_zone="",
        )
        assert found.origins == dict.fromkeys(SETTINGS, "default")

    def test_process_environment_and_folder_are_read_without_arguments(
        self, home: Path, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("METER_USER", "alice")
        monkeypatch.setenv("METER_LEDGER", "mine.db")
        found = load()
        assert (found.user, found.ledger) == ("alice", str(here / "mine.db"))
        assert not (home / ".local").exists()

    @pytest.mark.parametrize(
        "given", [{}, {"XDG_DATA_HOME": "/srv/data", "XDG_CONFIG_HOME": "/srv/conf"}, {"XDG_DATA_HOME": "relative"}]
    )
    def test_folders_are_those_of_platformdirs(
        self, given: dict[str, str], home: Path, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        assert load(folder=here).ledger == str(Path(platformdirs.user_data_dir("meter", appauthor=False), "ledger.db"))
        if "XDG_CONFIG_HOME" not in given:
            write(Path(platformdirs.user_config_dir("meter", appauthor=False), "meter.toml"), 'user = "bob"')
            assert load(folder=here).user == "bob"
            assert home in Path(load(folder=here).origins["user"]).parents

    @pytest.mark.parametrize("given", [{"HOME": "relative"}, {"HOME": ""}, {}])
    def test_home_that_is_no_path_is_looked_up_by_platformdirs(
        self, given: dict[str, str], home: Path, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(platformdirs, "user_config_dir", lambda *_, **__: str(home / "elsewhere"))
        monkeypatch.setattr(platformdirs, "user_data_dir", lambda *_, **__: str(home / "elsewhere"))
        assert load(given, here).ledger == str(home / "elsewhere" / "ledger.db")

    def test_user_without_a_home_needs_a_ledger_and_nothing_else(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unknown(*_: object, **__: object) -> str:
            raise RuntimeError("no home")

        monkeypatch.setattr(platformdirs, "user_config_dir", unknown)
        monkeypatch.setattr(platformdirs, "user_data_dir", unknown)
        assert load({"METER_LEDGER": "/srv/a.db"}, here).ledger == "/srv/a.db"
        with pytest.raises(SettingsError, match="set METER_LEDGER"):
            load({}, here)

    def test_removed_working_folder_is_no_obstacle(self, home: Path, here: Path) -> None:
        here.rmdir()
        assert load(environment(home)).currency == "USD"


class TestOrder:
    def test_flag_beats_environment_beats_working_folder_beats_config_beats_default(
        self, home: Path, here: Path
    ) -> None:
        config = write(home / ".config/meter/meter.toml", 'currency = "EUR"\nuser = "carol"\ncount = "never"')
        assert load(environment(home), here).currency == "EUR"
        local = write(here / "meter.toml", 'currency = "CNY"\nlang = "zh"')
        assert load(environment(home), here).currency == "CNY"
        found = load(environment(home, METER_CURRENCY="GBP", METER_TZ="Asia/Shanghai"), here)
        assert found.currency == "GBP"
        flagged = found.override(currency="JPY", zone=None)
        assert (flagged.currency, flagged.zone) == ("JPY", "Asia/Shanghai")
        assert {name: flagged.origins[name] for name in ("currency", "zone", "lang", "user", "holds")} == {
            "currency": "flag",
            "zone": "environment",
            "lang": str(local),
            "user": str(config),
            "holds": "default",
        }
        assert found.origins["currency"] == "environment"

    def test_file_named_by_meter_config_replaces_that_of_the_config_folder(self, home: Path, here: Path) -> None:
        write(home / ".config/meter/meter.toml", 'user = "carol"\nlang = "zh"')
        named = write(here / "conf/prod.toml", 'user = "bob"')
        for given in (str(named), "conf/prod.toml"):
            found = load(environment(home, METER_CONFIG=given), here)
            assert (found.user, found.lang, found.origins["user"]) == ("bob", "en", str(named))

    def test_home_is_expanded_in_the_name_of_the_file(self, home: Path, here: Path) -> None:
        write(home / "m.toml", 'user = "bob"')
        assert load(environment(home, METER_CONFIG="~/m.toml"), here).user == "bob"

    def test_empty_variable_is_as_good_as_none(self, home: Path, here: Path) -> None:
        unset = dict.fromkeys((setting.variable for setting in SETTINGS.values()), "")
        assert load(environment(home, METER_CONFIG="", **unset), here) == load(environment(home), here)

    @pytest.mark.parametrize("name", SETTINGS)
    def test_every_setting_can_be_given_in_the_environment_a_file_and_a_flag(
        self, name: str, home: Path, here: Path
    ) -> None:
        setting = SETTINGS[name]
        value = setting.choices[-1] if setting.choices else setting.example.replace("~", str(home))
        by_environment = load(environment(home, **{setting.variable: value}), here)
        config = write(home / "all.toml", f'{name} = "{value}"')
        by_file = load(environment(home, METER_CONFIG=str(config)), here)
        by_flag = load(environment(home), here).override(**{name: value})
        assert [getattr(found, name) for found in (by_environment, by_file, by_flag)] == [value] * 3
        assert [found.origins[name] for found in (by_environment, by_file, by_flag)] == [
            "environment",
            str(config),
            "flag",
        ]

    def test_tz_of_the_system_is_kept_apart_from_the_setting(self, home: Path, here: Path) -> None:
        found = load(environment(home, TZ="Asia/Tokyo"), here)
        assert (found.zone, found.system_zone) == (None, "Asia/Tokyo")


class TestWorkingFolder:
    @pytest.mark.parametrize("name", [name for name, setting in SETTINGS.items() if not setting.presentation])
    def test_what_is_no_presentation_may_not_be_set_there(self, name: str, home: Path, here: Path) -> None:
        write(here / "meter.toml", f'{name} = "x"')
        with pytest.raises(SettingsError) as caught:
            load(environment(home), here)
        assert str(caught.value) == (
            f'{here / "meter.toml"}: "{name}" may not be set by the working folder, only zone, currency, lang. '
            f"Set {SETTINGS[name].variable} or write it into the file that METER_CONFIG names."
        )

    def test_file_that_meter_config_names_may_set_everything_there_too(self, home: Path, here: Path) -> None:
        write(here / "meter.toml", 'user = "bob"')
        assert load(environment(home, METER_CONFIG="meter.toml"), here).user == "bob"
        (home / "link.toml").symlink_to(here / "meter.toml")
        assert load(environment(home, METER_CONFIG=str(home / "link.toml")), here).user == "bob"

    def test_config_folder_as_working_folder_may_set_everything(self, home: Path) -> None:
        folder = write(home / ".config/meter/meter.toml", 'user = "bob"').parent
        assert load(environment(home), folder).user == "bob"


class TestLedger:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("mine.db", "{here}/mine.db"),
            ("sub/mine.db", "{here}/sub/mine.db"),
            ("~/mine.db", "{home}/mine.db"),
            ("/srv/账本.db", "/srv/账本.db"),
            ("sqlite:///rel.db", "{here}/rel.db"),
            ("sqlite:///~/mine.db", "{home}/mine.db"),
            ("sqlite:////srv/账本.db", "/srv/账本.db"),
            ("sqlite:///", "sqlite:///"),
            ("sqlite:///:memory:", "sqlite:///:memory:"),
            ("postgresql://meter@db/meter", "postgresql://meter@db/meter"),
        ],
    )
    def test_path_is_made_absolute_and_the_url_of_a_server_left_alone(
        self, given: str, expected: str, home: Path, here: Path
    ) -> None:
        expected = expected.format(here=here, home=home)
        assert load(environment(home, METER_LEDGER=given), here).ledger == expected
        assert load(environment(home), here).override(ledger=given).ledger == expected

    def test_a_password_is_in_no_error_and_in_no_repr(self, home: Path, here: Path) -> None:
        url = "postgresql://u:secret@host/db"
        assert "secret" not in repr(load(environment(home, METER_LEDGER=url), here))
        with pytest.raises(SettingsError) as error:
            load(environment(home, METER_LEDGER=f"{url}\n"), here)
        assert "u:***@host" in str(error.value)
        assert "secret" not in str(error.value)

    def test_flag_may_be_a_path(self, home: Path, here: Path) -> None:
        assert load(environment(home), here).override(ledger=Path("a.db")).ledger == str(here / "a.db")

    def test_relative_path_in_a_file_stands_beside_the_file(self, home: Path, here: Path) -> None:
        config = write(home / "conf/meter.toml", 'ledger = "../data/a.db"')
        assert load(environment(home, METER_CONFIG=str(config)), here).ledger == str(home / "conf/../data/a.db")

    def test_home_of_nobody_is_refused(self, home: Path, here: Path) -> None:
        with pytest.raises(SettingsError, match=r'METER_LEDGER is "~nobody-at-all/a\.db", whose home folder is not'):
            load(environment(home, METER_LEDGER="~nobody-at-all/a.db"), here)


class TestBadSettings:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('curency = "USD"', '"curency" is no setting. Did you mean "currency"? Settings are ledger, user,'),
            ('[prices]\ngpt = "1"', '"prices" is no setting.'),
            ("currency = 5", 'currency is 5, which is no text; give one like "USD".'),
            ("holds = true", "holds is True, which is no text"),
            ('user = ["a"]', "user is ['a'], which is no text"),
            ("zone = 2026-11-24", "zone is datetime.date(2026, 11, 24), which is no text"),
            ('count = "allways"', 'count is "allways". Did you mean "always"? Give one of always, missing, never.'),
            ('count = "ALWAYS"', 'count is "ALWAYS". Did you mean "always"?'),
            ('holds = "never"', 'holds is "never".'),
            ('durability = "disk"', "Give one of process, power."),
            ('on_unavailable = "ignore"', "Give one of allow, fail."),
            ('lang = "de"', "Give one of en, zh."),
            ('spill = "stdout"', "Give one of file, stderr."),
            ('currency = "US"', 'currency is "US", no currency. Give an ISO 4217 code like USD.'),
            ('currency = "USDT"', 'currency is "USDT", no currency. Did you mean "USD"?'),
            ('zone = "utc"', 'zone is "utc", no time zone. Did you mean "UTC"?'),
            ('zone = "Asia/Shangai"', 'zone is "Asia/Shangai", no time zone. Did you mean "Asia/Shanghai"?'),
            ('zone = "../etc"', 'zone is "../etc", no time zone.'),
            ('user = ""', "user is ''; give plain text like \"alice\"."),
            ('environment = "  "', "environment is '  '"),
            ('user = "a\\nb"', "user is 'a\\nb'"),
            ("currency = USD", "is not valid TOML: "),
            ('user = "a"\nuser = "b"', "is not valid TOML: "),
        ],
    )
    def test_error_names_file_key_value_and_what_to_do(self, text: str, message: str, home: Path, here: Path) -> None:
        config = write(home / "bad.toml", text)
        with pytest.raises(SettingsError) as caught:
            load(environment(home, METER_CONFIG=str(config)), here)
        assert str(caught.value).startswith(str(config))
        assert message in str(caught.value)

    @pytest.mark.parametrize("name", [name for name, setting in SETTINGS.items() if setting.choices])
    def test_error_of_the_environment_names_the_variable(self, name: str, home: Path, here: Path) -> None:
        variable = SETTINGS[name].variable
        with pytest.raises(SettingsError, match=f'^{variable} is "nonsense"'):
            load(environment(home, **{variable: "nonsense"}), here)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"curency": "USD"}, '"curency" is no setting. Did you mean "currency"?'),
            ({"origins": {}}, '"origins" is no setting.'),
            ({"system_zone": "UTC"}, '"system_zone" is no setting.'),
            ({"count": "sometimes"}, 'The setting count is "sometimes".'),
            ({"zone": "Mars"}, 'The setting zone is "Mars", no time zone.'),
            ({"user": 7}, "The setting user is 7, which is no text"),
        ],
    )
    def test_error_of_a_flag_names_the_setting(
        self, given: dict[str, Any], message: str, home: Path, here: Path
    ) -> None:
        with pytest.raises(SettingsError) as caught:
            load(environment(home), here).override(**given)
        assert message in str(caught.value)

    def test_unknown_flag_is_refused_even_without_a_value(self, home: Path, here: Path) -> None:
        with pytest.raises(SettingsError, match='"curency" is no setting'):
            load(environment(home), here).override(curency=None)

    def test_named_file_that_does_not_exist_is_refused(self, home: Path, here: Path) -> None:
        with pytest.raises(SettingsError, match=r"METER_CONFIG names .*none\.toml, which does not exist"):
            load(environment(home, METER_CONFIG="none.toml"), here)

    def test_folder_in_place_of_the_file_is_refused(self, home: Path, here: Path) -> None:
        with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
            load(environment(home, METER_CONFIG=str(home)), here)

    def test_file_that_is_not_utf8_is_refused(self, home: Path, here: Path) -> None:
        (home / "latin.toml").write_bytes('user = "é"'.encode("latin-1"))
        with pytest.raises(SettingsError, match="is not valid TOML"):
            load(environment(home, METER_CONFIG=str(home / "latin.toml")), here)

    def test_byte_order_mark_is_no_error(self, home: Path, here: Path) -> None:
        (home / "windows.toml").write_bytes(b'\xef\xbb\xbfuser = "bob"\r\n')
        assert load(environment(home, METER_CONFIG=str(home / "windows.toml")), here).user == "bob"


class TestVendorKeys:
    def test_vendors_whose_key_is_set_are_named_without_the_key(self) -> None:
        found = vendor_keys({"ANTHROPIC_API_KEY": "sk-secret", "OPENAI_API_KEY": "sk-other", "MISTRAL_API_KEY": " "})
        assert [vendor for vendor, _ in found] == ["openai", "anthropic"]
        assert "sk-" not in repr(found)

    def test_no_key_is_no_vendor(self) -> None:
        assert vendor_keys({}) == []

    def test_models_offered_are_ones_that_litellm_knows(self) -> None:
        found = importlib.util.find_spec("litellm")
        assert found is not None
        assert found.origin is not None
        known = json.loads(
            (Path(found.origin).parent / "model_prices_and_context_window_backup.json").read_text("utf-8")
        )
        every = vendor_keys(dict.fromkeys(KEYS, "sk"))
        assert len(every) == len(KEYS)
        assert [model for _, model in every if not {model, model.partition("/")[2]} & known.keys()] == []

    def test_process_environment_is_read_without_an_argument(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GROQ_API_KEY", "gsk-secret")
        assert "groq" in [vendor for vendor, _ in vendor_keys()]


def test_loading_settings_imports_nothing_it_does_not_need(home: Path) -> None:
    """Pitfall 44: the settings are read at every start, so TOML, zones and platformdirs wait until they are needed."""
    code = "import sys; from meter.settings import load; load(); print(*sys.modules)"
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=home,
        env={"HOME": str(home), "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"tomllib", "zoneinfo", "platformdirs", "tomlkit", "click"} & set(done.stdout.split())
