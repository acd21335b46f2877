"""Languages: every text that a report says is known in Chinese, with the same figures in it; tables stay aligned."""

from __future__ import annotations

import ast
import re
import string
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import meter
from meter.errors import InputError
from meter.lang import TAGS, say, spoken, tag, term
from tests.commands import run

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(meter.__file__).parent
FILES = sorted((ROOT / "lang/zh").glob("*.toml"))


def known() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in FILES:
        found |= tomllib.loads(path.read_text("utf-8"))
    return found


def calls(*names: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield every call of these functions in the package, with its place."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def texts(node: ast.AST) -> Iterator[str]:
    """Yield the texts that an expression can have."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from texts(node.body)
        yield from texts(node.orelse)


def said() -> set[tuple[str, str]]:
    """Return what is said, and what is said of a list that is empty."""
    given = [(place, node.args[0]) for place, node in calls("say", "term")]
    given += [(place, node.args[2]) for place, node in calls("put_list")]
    return {(text, place) for place, node in given for text in texts(node) if text}


def headed() -> set[tuple[str, str]]:
    """Return the headings of all columns that are written out as literals, up to what is filled in."""
    found = set()
    for place, node in calls("Column"):
        heading = next((each.value for each in node.keywords if each.arg == "heading"), (*node.args, None)[1:2])
        given = heading[0] if isinstance(heading, tuple) else heading
        if isinstance(given, ast.JoinedStr):
            given = given.values[0]
        for text in texts(given or node.args[0]):
            found.add((text.replace("_", " ").strip("\n") if given is None else text.strip("\n"), place))
    return found


def test_every_text_that_is_said_is_known_in_chinese() -> None:
    lacking = sorted((place, text) for text, place in said() if text not in known())
    assert not lacking


def test_every_heading_is_known_in_chinese() -> None:
    words = {*known(), "USD", ""}
    lacking = sorted(
        (place, text)
        for text, place in headed()
        if not {text, text.removesuffix("\nUSD").removesuffix("\nCNY")} & words
    )
    assert not lacking


def templates() -> set[tuple[str, str]]:
    """Return what is written out with holes in it where texts are said, as a constant that is said under a name."""
    found = set()
    for path in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        if not any(isinstance(node, ast.ImportFrom) and node.module == "meter.lang" for node in ast.walk(tree)):
            continue
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and HOLE.sub("", node.value) not in {"", node.value}
            ):
                found.add((node.value, f"{path.relative_to(ROOT)}:{node.lineno}"))
    return found


HOLE = re.compile(r"\{[a-z_]+(:[^}]*)?\}")
NOT_SAID = {"cli/options.py": "an error", "reports/html_frame.py": "the frame of a page"}
"""Modules whose other constants with holes are no report's words, and what they are."""


def test_every_template_is_known_in_chinese_under_whatever_name_it_is_said() -> None:
    lacking = sorted((place, text) for text, place in templates() if text not in known())
    assert not [each for each in lacking if each[0].partition(":")[0] not in NOT_SAID]


def placeholders(text: str) -> set[tuple[str, str]]:
    """Return the names that are filled in, each with its form; a month may be written in parts."""
    parsed = string.Formatter().parse(text)
    return {(name, "%" if form and form[0] == "%" else form or "") for _, name, form, _ in parsed if name is not None}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_translation_has_the_same_placeholders(path: Path) -> None:
    for text, chinese in tomllib.loads(path.read_text("utf-8")).items():
        assert placeholders(chinese) == placeholders(text), text
        assert chinese.isprintable() or "\n" in chinese, text


def test_a_text_has_one_translation() -> None:
    seen: dict[str, str] = {}
    for path in FILES:
        for text, chinese in tomllib.loads(path.read_text("utf-8")).items():
            assert seen.setdefault(text, chinese) == chinese, f"{path.name}: {text}"


def test_english_is_spoken_unless_another_language_is_asked_for() -> None:
    assert (say("(team {name})", name="blue"), term("gross profit"), tag()) == ("(team blue)", "gross profit", "en")
    with spoken("zh"):
        assert (say("(team {name})", name="blue"), term("gross profit"), tag()) == ("(团队 blue)", "毛利", "zh-CN")
    assert tag() == "en"


def test_what_has_no_translation_stays_english() -> None:
    with spoken("zh"):
        assert say("no such {thing}", thing="text") == "no such text"
        assert term("cost\nXYZ") == "成本\nXYZ"


def test_an_unknown_language_is_named_with_those_that_are_known() -> None:
    with pytest.raises(InputError, match=r'"zhh" is no language of reports\. Did you mean "zh"\? Give one of en, zh\.'):
        spoken("zhh").__enter__()
    assert set(TAGS) == {"en", "zh"}
    result = run("report", "--lang", "de")
    assert result.exit_code == 2
    assert "'de' is not one of 'en', 'zh'" in result.output


@pytest.mark.parametrize(
    "command",
    [("plan", "catalog"), ("economics", "hardware"), ("economics", "train", "--parameters", "1B", "--tokens", "1B")],
)
def test_a_command_that_needs_no_ledger_speaks_the_language_too(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = (*command, "--hardware", "a100", "--mfu", "20%") if "train" in command else command
    asked = run(*given, "--lang", "zh")
    assert asked.exit_code == 0, asked.output
    assert re.search("[\u4e00-\u9fff]", asked.stdout)
    monkeypatch.setenv("METER_LANG", "zh")
    assert run(*given).stdout == asked.stdout
    assert not re.search("[\u4e00-\u9fff]", run(*given, "--lang", "en").stdout)
    assert not re.search("[\u4e00-\u9fff]", run(*given, "--csv").stdout)
