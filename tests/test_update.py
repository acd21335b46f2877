"""`meter price update`: the real pip, offline, with a newer genai-prices made for the test."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from decimal import Decimal
from importlib import metadata, util
from pathlib import Path

import pytest

from meter.ledger import open_ledger
from meter.reports import update
from tests.made import entry

OLD = metadata.version("genai-prices")
DEARER = """
for _provider in providers:
    for _model in _provider.models:
        if (_provider.id, _model.id) == ("openai", "gpt-4o-mini"):
            _model.prices.input_mtok = Decimal("0.30")
"""


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder where pip finds genai-prices 99.0 alone, and have it install into another one."""
    found = util.find_spec("genai_prices")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    build, wheels = tmp_path / "build", tmp_path / "wheels"
    wheels.mkdir()
    shutil.copytree(package, build / "genai_prices", ignore=shutil.ignore_patterns("__pycache__"))
    data = build / "genai_prices" / "data.py"
    data.write_text(f"{data.read_text('utf-8')}\nfrom decimal import Decimal\n{DEARER}", "utf-8")
    info = build / "genai_prices-99.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: genai-prices\nVersion: 99.0\n")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    files = [path for path in build.rglob("*") if path.is_file()]
    (info / "RECORD").write_text("".join(f"{path.relative_to(build).as_posix()},,\n" for path in files))
    with zipfile.ZipFile(wheels / "genai_prices-99.0-py3-none-any.whl", "w") as wheel:
        for path in (*files, info / "RECORD"):
            wheel.write(path, path.relative_to(build).as_posix())
    settings = {"NO_INDEX": "1", "FIND_LINKS": str(wheels), "NO_DEPS": "1", "TARGET": str(tmp_path / "site")}
    for name, value in settings.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}{os.pathsep}{Path(__file__).parent.parent}")
    return wheels


@pytest.fixture
def path(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    ledger = open_ledger(fresh_db, zone="UTC")
    ledger.append([entry(), entry(model="nobody-knows")])
    ledger.close()
    return fresh_db


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "meter", "price", "update", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("newer")
def test_what_changes_for_the_models_used_here_is_shown(path: Path) -> None:
    before = path.read_bytes()
    done = run("--json")
    assert done.returncode == 0, done.stderr
    assert " -m pip install --upgrade 'genai-prices" in done.stderr
    rows = json.loads(done.stdout, parse_float=Decimal)
    assert [(row["model"], row["item"], row["old"], row["new"], row["per"]) for row in rows if not row["when"]] == [
        ("gpt-4o-mini", "input", Decimal("0.15"), Decimal("0.3"), "1M tokens")
    ]
    assert path.read_bytes() == before
    again = run()
    assert "No rate changes for the models used here." in again.stdout
    assert "genai-prices 99.0 before, 99.0 now." in again.stdout


def test_a_dry_run_runs_nothing(path: Path, newer: Path, tmp_path: Path) -> None:  # noqa: ARG001  a ledger, a package
    done = run("--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"genai-prices {OLD}, asked for 2 models used here" in done.stdout
    assert not (tmp_path / "site").exists()


def test_where_pip_fails_it_says_why_and_changes_nothing(path: Path, newer: Path) -> None:  # noqa: ARG001  a ledger
    shutil.rmtree(newer)
    newer.mkdir()
    done = run()
    assert done.returncode == 1
    assert "pip could not upgrade genai-prices" in done.stderr
    assert done.stdout == ""


def test_without_pip_it_says_what_to_do_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "find_spec", lambda _: None)
    with pytest.raises(update.MissingPackage, match=re.escape("uv pip install --upgrade")):
        update.command()


def test_the_bounds_are_those_that_meter_asks_for() -> None:
    assert update.requirement() in (metadata.requires("chat-meter") or [])
