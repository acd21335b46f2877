"""The house rules: lint, format, types, the wheel, the changelog."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import meter

ROOT = Path(__file__).parent.parent


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "command",
    [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)],
    ids=["lint", "format", "types"],
)
def test_the_code_is_clean(command: tuple[str, ...]) -> None:
    if shutil.which(command[0], path=str(Path(sys.executable).parent)) is None:
        pytest.skip(f"{command[0]} is missing: pip install -e '.[test]'")
    done = run(sys.executable, "-m", *command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_version_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == meter.__version__
    assert f"## {meter.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_known_malicious_releases_of_litellm_are_excluded() -> None:
    """Pitfall 47: litellm 1.82.7 and 1.82.8."""
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    (litellm,) = [need for need in needs if need.startswith("litellm")]
    assert "!=1.82.7" in litellm
    assert "!=1.82.8" in litellm


def test_the_top_level_holds_only_what_was_agreed() -> None:
    listed = run("git", "ls-files")
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    tops = {line.split("/")[0] for line in listed.stdout.splitlines()}
    agreed = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "meter", "plugins", "tests", "docs"}
    assert {top for top in tops if not top.startswith(".")} <= agreed


def test_the_wheel_holds_every_module_and_the_rates(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    listed = run("git", "ls-files", "meter")
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    assert set(listed.stdout.splitlines()) <= names
    plugins = {path.relative_to(ROOT / "plugins").as_posix() for path in (ROOT / "plugins").glob("*/*.py")}
    assert plugins
    assert plugins <= names
    assert any(name.startswith("meter/rates/") and name.endswith(".csv") for name in names)


def test_the_wheel_says_that_it_is_typed(wheel: Path) -> None:
    """PEP 561: without the marker no type checker of a user reads our annotations."""
    assert "meter/py.typed" in zipfile.ZipFile(wheel).namelist()


def test_the_built_wheel_works_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "import meter; assert meter.__file__.startswith(sys.path[0]), meter.__file__\n"
        "usage = meter.Usage(input_tokens=1200, output_tokens=200)\n"
        "print(meter.cost('ernie-3.5-8k', usage).status, meter.cost('gpt-4o-mini', usage).nanos)"
    )
    done = run(sys.executable, "-c", code, cwd=tmp_path)
    assert done.stdout.split() == ["priced", "300000"], done.stderr
