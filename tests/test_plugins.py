"""Plugins: the template of the docs in a process of its own, plugins that break, and `meter plugins`."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import meter
from meter import hookspecs
from tests.kept import kept_in

DOCS = (Path(__file__).parent.parent / "docs" / "plugins.md").read_text("utf-8")
HOOKS = [name for name, value in vars(hookspecs).items() if hasattr(value, "meter_spec")]


def recording(model: str) -> str:
    usage = "meter.Usage(input_tokens=1000, output_tokens=1000)"
    return f"import meter; meter.record(model={model!r}, usage={usage}, user='u')"


class Home:
    """A user's folders, with plugins on the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "meter.toml"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("METER_")}
        path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
        own = {"METER_LEDGER": str(folder / "a.db"), "METER_CONFIG": str(self.config), "PYTHONPATH": path}
        self.environ = {**kept, **own}
        self.config.write_text('# mine\ncurrency = "USD"  # as it was\n', "utf-8")

    def python(self, code: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(
            command, env={**self.environ, **environ}, capture_output=True, text=True, check=False, cwd=self.folder
        )

    def meter(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return self.python("from meter.cli import main; main(prog_name='meter')", *arguments, **environ)

    def done(self, *arguments: str, **environ: str) -> str:
        result = self.meter(*arguments, **environ)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def entries(self) -> list[meter.Entry]:
        return kept_in(self.folder / "a.db")

    def plugin(self, name: str, code: str) -> None:
        (self.folder / f"{name}.py").write_text(code, "utf-8")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    (template,) = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
    made.plugin("template_plugin", template)
    return made


@pytest.fixture
def enabled(home: Home) -> Home:
    home.done("plugins", "enable", "template_plugin")
    return home


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_stands_in_the_docs_with_its_exact_signature(name: str) -> None:
    parameters = ", ".join(inspect.signature(getattr(hookspecs, name)).parameters)
    assert f"| `{name}({parameters})` |" in DOCS


def test_the_docs_name_no_hook_that_is_not_there() -> None:
    assert HOOKS
    assert sorted(re.findall(r"^\| `(\w+)\(", DOCS, re.MULTILINE)) == sorted(HOOKS)


class TestTemplate:
    def test_its_command_is_one_of_meters(self, enabled: Home) -> None:
        assert enabled.python(recording("gpt-4o-mini")).returncode == 0
        assert "Say how often a user has called this month." in enabled.done("--help")
        assert enabled.done("hello", "u") == "u made 1 calls this month.\n"

    def test_its_source_prices_what_nobody_else_knows(self, enabled: Home) -> None:
        done = enabled.python(recording("house-model"))
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        (entry,) = enabled.entries()
        assert (entry.nanos, entry.price and entry.price.source) == (5_000_000, "house")

    def test_it_hears_of_every_entry(self, enabled: Home) -> None:
        done = enabled.python(recording("nobody-knows-it"))
        assert (done.returncode, done.stdout) == (0, "nobody-knows-it has no price yet\n"), done.stderr

    def test_its_importer_takes_in_calls_once(self, enabled: Home) -> None:
        call = {
            "id": "1",
            "when": "2026-11-02T10:00:00+00:00",
            "model": "gpt-4o-mini",
            "in": 1000,
            "out": 10,
            "who": "u",
        }
        log = enabled.folder / "calls.log"
        log.write_text(json.dumps(call) + "\n", "utf-8")
        assert "house-log" in enabled.done("ledger", "import", "--help")
        for _ in range(2):
            enabled.done("ledger", "import", "house-log", str(log))
        (entry,) = enabled.entries()
        assert (entry.source, entry.source_key, entry.user, entry.nanos) == ("house-log", "1", "u", 156_000)

    def test_a_record_of_its_importer_that_cannot_be_used_takes_nothing_in(self, enabled: Home) -> None:
        log = enabled.folder / "calls.log"
        log.write_text(
            '{"id": "1", "when": "2026-11-02T10:00:00", "model": "m", "in": 1, "out": 1, "who": "u"}\n', "utf-8"
        )
        result = enabled.meter("ledger", "import", "house-log", str(log))
        assert result.returncode == 2
        assert "calls.log: record 1: " in result.stderr
        log.write_text("no JSON\n", "utf-8")
        result = enabled.meter("ledger", "import", "house-log", str(log))
        assert result.returncode == 2
        assert "the plugin failed after record 0" in result.stderr


class TestEnabling:
    def test_what_is_not_enabled_is_not_loaded(self, home: Home) -> None:
        home.plugin("loud", "print('loaded')")
        assert "loaded" not in home.done("report", "--help") + home.done("plugins")
        assert home.meter("hello", "u").returncode == 2

    def test_a_command_of_meters_own_loads_no_plugin(self, home: Home) -> None:
        home.plugin("loud", "print('loaded')")
        assert "loaded" not in home.done("report", "--help", METER_PLUGINS="loud")
        assert "loaded" in home.done("--help", METER_PLUGINS="loud")

    def test_a_plugin_is_one_by_its_own_name_and_by_its_modules(self, home: Home) -> None:
        home.plugin("meter_house", "")
        home.config.write_text('plugins = "house"\n', "utf-8")
        assert home.done("plugins", "enable", "meter_house") == "meter_house is enabled already.\n"
        home.done("plugins", "disable", "meter_house")
        assert home.config.read_text("utf-8") == ""

    def test_enabling_changes_one_line_of_the_file_and_disabling_takes_it_away(self, home: Home) -> None:
        before = home.config.read_text("utf-8")
        assert home.done("plugins", "enable", "template_plugin").startswith("template_plugin is enabled, in ")
        assert home.config.read_text("utf-8") == before + 'plugins = "template_plugin"\n'
        assert home.done("plugins", "enable", "template_plugin") == "template_plugin is enabled already.\n"
        (row,) = [each for each in json.loads(home.done("plugins", "--json")) if each["state"] != "installed"]
        assert (row["plugin"], row["module"], row["state"]) == ("template_plugin", "template_plugin", "enabled")
        home.done("plugins", "disable", "template_plugin")
        assert home.config.read_text("utf-8") == before

    def test_what_cannot_be_loaded_is_not_enabled(self, home: Home) -> None:
        home.plugin("broken", "raise RuntimeError('no')")
        home.plugin("unhooked", "import meter\n@meter.hookimpl\ndef no_such_hook(): ...\n")
        before = home.config.read_text("utf-8")
        for name in ("broken", "unhooked"):
            result = home.meter("plugins", "enable", name)
            assert (result.returncode, "cannot be loaded" in result.stderr) == (2, True), result.stderr
        result = home.meter("plugins", "enable", "nothing_like_it")
        assert result.returncode == 2
        assert 'No plugin "nothing_like_it" is installed.' in result.stderr
        result = home.meter("plugins", "disable", "broken")
        assert (result.returncode, '"broken" is not enabled.' in result.stderr) == (2, True)
        assert home.config.read_text("utf-8") == before

    def test_the_environment_stands_in_the_place_of_the_file(self, enabled: Home) -> None:
        enabled.plugin("other", "")
        rows = json.loads(enabled.done("plugins", "--json", METER_PLUGINS="other"))
        assert [row["module"] for row in rows if row["state"] == "enabled"] == ["other"]


BREAKS = """
import meter
@meter.hookimpl
def register_commands(cli): raise RuntimeError("commands")
@meter.hookimpl
def register_price_sources(): raise RuntimeError("prices")
@meter.hookimpl
def entry_recorded(entry): raise RuntimeError("entry")
"""


class TestFailures:
    @pytest.mark.parametrize("code", [BREAKS, "raise RuntimeError('at import')", "import nothing_like_it"])
    def test_a_plugin_that_fails_is_warned_of_and_all_else_goes_on(self, home: Home, code: str) -> None:
        home.plugin("breaks", code)
        both = {"METER_PLUGINS": "breaks,template_plugin"}
        done = home.python(recording("house-model"), **both)
        assert (done.returncode, done.stdout) == (0, "")
        assert "The plugin breaks failed (" in done.stderr
        assert [entry.nanos for entry in home.entries()] == [5_000_000]
        assert home.done("hello", "u", **both) == "u made 1 calls this month.\n"

    def test_one_that_cannot_be_loaded_says_why_in_the_list(self, home: Home) -> None:
        home.plugin("breaks", "raise RuntimeError('at import')")
        rows = json.loads(home.done("plugins", "--json", METER_PLUGINS="breaks"))
        (row,) = [each for each in rows if each["state"] != "installed"]
        assert row["state"] == "failed: RuntimeError: at import"


OPENS = """
import pathlib
import meter
@meter.hookimpl
def register_ledgers():
    def opens(url, **settings):
        return meter.open_ledger(pathlib.Path(url.partition("://")[2]), **settings)
    return {"elsewhere": opens}
"""


def test_a_ledger_of_a_plugins_scheme_is_opened_by_it(home: Home) -> None:
    home.plugin("opens", OPENS)
    where = {"METER_PLUGINS": "opens", "METER_LEDGER": f"elsewhere://{home.folder}/a.db"}
    assert home.python(recording("gpt-4o-mini"), **where).returncode == 0
    assert len(home.entries()) == 1
    assert json.loads(home.done("report", "--json", "--by", "user", **where))["totals"]["calls"] == 1
