"""The structure: who may import whom, who imports the heavy libraries, what a command may load, what is public."""

from __future__ import annotations

import ast
import functools
import importlib
import json
import pkgutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import meter
from meter.period import Interval

ROOT = Path(meter.__file__).parent
BOTTOM = ("hookspecs", "errors")
# the call's side and the reports' side meet in the ledger and do not see each other
CALL_SIDE = (
    ("call",),
    ("clients",),
    ("observing", "through"),
    ("beginning", "stream"),
    ("journaled",),
    ("attempt",),
    ("ending",),
    ("asked",),
    ("answered", "backend", "books", "failure", "recording"),
    ("behind", "closing", "later", "layer", "lengths", "outer", "turn", "unwritten"),
)
READ_SIDE = (("billing",), ("reports", "importing", "economics", "local", "throughput"))
SHARED = (
    ("ledger",),
    ("journal",),
    ("spill", "unreached"),
    ("shelter",),
    ("pricebook",),
    ("sources",),
    ("budget",),
    ("catalogue",),
    ("revenue",),
    ("calibration", "plan", "users"),
    ("entry", "hold"),
    ("charge",),
    ("price", "fx"),
    ("usage", "period"),
    ("tokens", "attribution", "machine", "plugins"),
    ("images", "prompt", "vocabulary"),
    ("clock", "model", "names", "settings"),
    ("address", "codes", "folders", "lang"),
    BOTTOM,
)
HEAVY = {
    "litellm": {"backend.py"},
    "tiktoken": {"vocabulary.py"},
    "genai_prices": {"sources/genai"},
    "imagesize": {"images.py"},
    "sqlite_utils": {"ledger/"},
    "vl_convert": {"reports/charts.py"},
    "xllamacpp": {"local.py"},
    "pydantic": set(),
    "rich": set(),
}


def modules() -> list[Path]:
    return sorted(
        path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] not in {"__init__.py", "__main__.py"}
    )


def unit(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@functools.cache
def parsed(path: Path) -> ast.Module:
    """Return a module's tree; it is read by many tests and changed by none."""
    return ast.parse(path.read_text("utf-8"))


def imports(path: Path) -> list[tuple[str, ast.AST]]:
    """Return every imported module of a file with its node, those for annotations included."""
    found: list[tuple[str, ast.AST]] = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found += [(alias.name, node) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.append((node.module or "", node))
            if node.module == "meter":
                found += [(f"meter.{alias.name}", node) for alias in node.names]
    return found


def allowed(name: str) -> set[str]:
    """Return the units that a unit may import: those to the right of its own."""
    rows = [set(row) for row in SHARED]
    shared = set().union(*rows)
    for side in (CALL_SIDE, READ_SIDE):
        for index, row in enumerate(side):
            if name in row:
                return shared.union(*map(set, side[index + 1 :]))
    for index, row in enumerate(rows):
        if name in row:
            return set().union(*rows[index + 1 :])
    assert name == "cli", f"{name} has no place in the import order"
    return shared.union(*map(set, CALL_SIDE), *map(set, READ_SIDE))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    own = unit(path)
    here = {item.name for item in pkgutil.iter_modules([str(ROOT)])}
    known = {row for rows in (*CALL_SIDE, *READ_SIDE, *SHARED) for row in rows} | {"cli"}
    for name, _ in imports(path):
        target = name.split(".")[1] if name.startswith("meter.") else None
        if target is None or target == own:
            continue
        if target not in known:  # a public name, not a module
            assert target not in here, f"{target} has no place in the import order"
            continue
        assert target in allowed(own), f"{own} may not import {target}"


@pytest.mark.parametrize("library", sorted(HEAVY))
def test_a_heavy_library_has_one_home_inside_functions(library: str) -> None:
    for path in ROOT.rglob("*.py"):
        where = str(path.relative_to(ROOT))
        tree = parsed(path)
        top = {id(node) for node in tree.body}
        for name, node in imports(path):
            if name.split(".")[0] != library:
                continue
            assert any(where.startswith(home) for home in HEAVY[library]), f"{where} imports {library}"
            assert id(node) not in top, f"{where} imports {library} at its top"


def loaded(*arguments: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after `import meter` or a command."""
    code = (
        "import sys, json, runpy\n"
        f"sys.argv = {['meter', *arguments]!r}\n"
        "try:\n    runpy.run_module('meter', run_name='__main__')\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "print('\\n' + json.dumps(sorted(sys.modules)))"
        if arguments
        else "import sys, json, meter\nprint(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_meter_loads_nothing_heavy() -> None:
    """Pitfall 44: reports and help never pay for litellm."""
    assert not {"litellm", "tiktoken", "click", "pydantic", "sqlite3", "genai_prices", "httpx"} & loaded()


def test_help_loads_neither_ledger_nor_backend() -> None:
    """Pitfall 44: help never pays for litellm, nor for the ledger."""
    got = loaded("--help")
    assert "click" in got
    assert not {"litellm", "tiktoken", "sqlite3", "sqlite_utils", "pydantic", "platformdirs"} & got


def test_a_report_loads_what_it_shows_and_no_more(tmp_path: Path) -> None:
    """Pitfalls 43 and 44: a report reads the ledger; it neither counts nor prices nor calls."""
    ledger = str(tmp_path / "a.db")
    meter.open_ledger(ledger).close()
    got = loaded("report", "--ledger", ledger)
    heavy = {"litellm", "tiktoken", "genai_prices", "rich", "pydantic", "sqlite_utils", "xllamacpp", "vl_convert"}
    assert not heavy & got
    # without a plan, without a charge and with few users it needs none of these
    assert not {"meter.plan", "meter.revenue", "meter.reports.portfolio"} & got


def test_a_status_line_loads_no_report(tmp_path: Path) -> None:
    """A prompt waits for it."""
    ledger = meter.open_ledger(tmp_path / "a.db")
    plan = meter.Plan(name="plus", price_nanos=1, currency="USD", interval=Interval("month"))
    ledger.add_plan(plan)
    ledger.add_subscription(plan.subscribe("alice", datetime(2026, 11, 1, tzinfo=UTC), zone="UTC"))
    ledger.close()
    got = loaded("status", "--user", "alice", "--ledger", str(tmp_path / "a.db"))
    assert "meter.ledger.glance" in got
    assert not {"meter.reports.summary", "meter.ledger.sqlite", "meter.hold", "logging", "sqlite_utils"} & got


def test_no_command_imports_another_ones_module_for_its_help() -> None:
    cli = {name for name in loaded("--help") if name.startswith("meter.cli.")}
    commands = {f"meter.cli.{item.name}" for item in pkgutil.iter_modules([str(ROOT / "cli")])}
    assert len(cli) < len(commands) / 2


def test_the_public_names_are_these() -> None:
    assert meter.__all__ == [
        "BudgetExceeded",
        "Charge",
        "Entry",
        "InputError",
        "InvalidPlan",
        "InvalidPrice",
        "InvalidTime",
        "InvalidUsage",
        "LedgerBusy",
        "LedgerError",
        "LedgerTooNew",
        "LedgerUnavailable",
        "Limit",
        "LocalModelError",
        "Meter",
        "MeterError",
        "MissingPackage",
        "Observation",
        "Plan",
        "Price",
        "Report",
        "SettingsError",
        "Standing",
        "Subscription",
        "Tool",
        "UnknownName",
        "Usage",
        "acompletion",
        "aembedding",
        "after_call",
        "aresponses",
        "attribute",
        "completion",
        "cost",
        "embedding",
        "entry_of",
        "hookimpl",
        "observe",
        "open_ledger",
        "record",
        "report",
        "responses",
        "standing",
        "text_completion",
        "tools",
        "usage_of",
        "wrap",
    ]


@pytest.mark.parametrize("name", meter.__all__)
def test_a_public_name_has_a_docstring_and_is_no_module(name: str) -> None:
    assert getattr(meter, name).__doc__
    assert name not in {item.name for item in pkgutil.iter_modules([str(ROOT)])}


@pytest.mark.parametrize("path", sorted((ROOT.parent / "plugins").glob("*/*.py")), ids=lambda path: path.parent.name)
def test_a_plugin_sees_only_what_is_public(path: Path) -> None:
    tree = parsed(path)
    for name, _ in imports(path):
        assert not name.startswith(("meter.", "plugins")), name
        assert not (name.startswith("meter_") and name.split(".")[0] != path.parent.name), name
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "meter"
    }
    assert used
    assert used <= set(meter.__all__)


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = meter.nothing_like_it


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(parsed(path))


def test_every_module_can_be_imported() -> None:
    names = [item.name for item in pkgutil.walk_packages([str(ROOT)], "meter.")]
    assert "meter.call" in names
    for name in names:
        if name != "meter.__main__":
            importlib.import_module(name)
