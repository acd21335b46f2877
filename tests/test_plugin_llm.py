"""meter_llm in the real llm: its command, its Python, plain and awaited, with the real local model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import missing
from tests.hosts import SOURCE
from tests.kept import kept_in

if TYPE_CHECKING:
    from meter.entry import Entry
    from meter.local import LocalModel
    from tests.loopback import Loopback

ROOT = Path(__file__).parent.parent
SHORT = ("-o", "max_tokens", "5")
MODELS = "- model_id: {name}\n  model_name: {model}\n  api_base: {base}\n  can_stream: true\n"


class User:
    """Somebody who uses llm, with folders of their own."""

    def __init__(self, folder: Path, base: str, model: str) -> None:
        self.ledger = folder / "ledger.db"
        (folder / "extra-openai-models.yaml").write_text(MODELS.format(name="mine", model=model, base=base))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("METER_")}
        path = SOURCE
        own = {"METER_LEDGER": str(self.ledger), "METER_CONFIG": str(folder / "meter.toml"), "PYTHONPATH": path}
        self.environ = {**kept, **own, "LLM_USER_PATH": str(folder), "OPENAI_API_KEY": "none", "LOGNAME": "login"}
        (folder / "meter.toml").write_text("")

    def run(self, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command],
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def done(self, *command: str, **environ: str) -> str:
        result = self.run(*command, **environ)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def llm(self, *arguments: str, **environ: str) -> str:
        return self.done("-m", "llm", *arguments, **environ)

    def meter(self, *arguments: str) -> str:
        return self.done("-m", "meter", *arguments)

    def entries(self) -> list[Entry]:
        return kept_in(self.ledger)


@pytest.fixture
def user(tmp_path: Path, local_model: LocalModel) -> User:
    check_installed()
    made = User(tmp_path, local_model.api_base, local_model.model.removeprefix("openai/"))
    made.meter("price", "set", "smollm2", "--provider", "127.0.0.1", "--input", "0.15", "--output", "0.6")
    return made


@pytest.fixture
def scripted(tmp_path: Path, loopback: Loopback) -> User:
    """Give a user whose model does what no real one will do on demand."""
    check_installed()
    made = User(tmp_path, loopback.api_base, "loop-model")
    made.meter("plugins", "enable", "llm")
    return made


def check_installed() -> None:
    from importlib.metadata import entry_points

    if find_spec("llm") is None or "meter_llm" not in {point.value for point in entry_points(group="llm")}:
        missing("llm, or meter's entry point in it, is missing: pip install -e '.[test]'")


def test_after_it_is_enabled_a_prompt_is_an_entry_and_before_it_none(user: User) -> None:
    assert user.llm("-m", "mine", "Say hello.", *SHORT).strip()
    assert not user.entries()
    refused = user.run("-m", "llm", "meter")
    assert (refused.returncode, "meter plugins enable llm" in refused.stderr) == (1, True)

    user.meter("plugins", "enable", "llm")
    user.llm("-m", "mine", "Say hello.", *SHORT)
    (entry,) = user.entries()
    assert (entry.user, entry.outcome, entry.model, entry.provider) == ("login", "ok", "smollm2", "127.0.0.1")
    assert entry.usage is not None
    assert entry.usage.source == "provider"
    assert entry.usage.output_tokens > 0
    assert entry.nanos == entry.usage.input_tokens * 150 + entry.usage.output_tokens * 600
    spent = user.llm("meter")
    assert spent.startswith("login this month: 0.0000")
    assert "smollm2: 1 prompts, " in spent

    user.meter("plugins", "disable", "llm")
    user.llm("-m", "mine", "Say hello.", *SHORT)
    assert len(user.entries()) == 1


def test_it_is_metered_however_llm_is_used(user: User) -> None:
    user.meter("plugins", "enable", "llm")
    user.llm("-m", "mine", "--no-stream", "Say hello.", *SHORT, METER_USER="plain")
    user.llm("-m", "mine", "--no-log", "Say hello.", *SHORT, METER_USER="no-log")
    code = "import llm; llm.get_model('mine').prompt('Say hello.', max_tokens=5).text()"
    user.done("-c", code, METER_USER="python")
    awaited = "import asyncio, llm; asyncio.run(llm.get_async_model('mine').prompt('Say hello.', max_tokens=5).text())"
    user.done("-c", awaited, METER_USER="awaited")
    chat = "import llm; talk = llm.get_model('mine').conversation()\n"
    chat += "for said in ('One', 'Two'): talk.prompt(said, max_tokens=5).text()"
    user.done("-c", chat, METER_USER="chat")
    entries = user.entries()
    assert [each.user for each in entries] == ["plain", "no-log", "python", "awaited", "chat", "chat"]
    assert all(each.outcome == "ok" and each.usage and each.usage.output_tokens for each in entries)
    assert entries[4].session == entries[5].session is not None


def test_a_prompt_that_is_broken_off_or_fails_is_an_entry_too(scripted: User, loopback: Loopback) -> None:
    broken = "import llm\nfor chunk in llm.get_model('mine').prompt('Hi'): break\n"
    scripted.done("-c", broken, METER_USER="broken")
    loopback.say(status=401)
    failed = scripted.run("-m", "llm", "-m", "mine", "Hi", METER_USER="failed")
    assert failed.returncode != 0
    assert [(each.user, each.outcome) for each in scripted.entries()] == [
        ("broken", "cancelled"),
        ("failed", "refused"),
    ]


def test_a_provider_that_says_no_usage_is_counted(scripted: User, loopback: Loopback) -> None:
    loopback.say(usage=None)
    scripted.llm("-m", "mine", "Say hello.")
    (entry,) = scripted.entries()
    assert entry.usage is not None
    assert (entry.usage.source, entry.usage.output_tokens) == ("counted", 6)  # "Hello there, friend. "
    assert entry.usage.input_tokens > 3


def test_a_stream_that_is_left_is_charged_for_what_arrived(scripted: User) -> None:
    scripted.done("-c", "import llm\nfor chunk in llm.get_model('mine').prompt('Hi'): break\n")
    (entry,) = scripted.entries()
    assert (entry.outcome, entry.usage is not None) == ("cancelled", True)
    assert entry.usage is not None
    assert 0 < entry.usage.output_tokens < 5


BENEATH = """
import asyncio, llm, meter, meter_llm, openai
class Mine(llm.Model):
    model_id, can_stream = "beneath", True
    def execute(self, prompt, stream, response, conversation):
        client = meter.wrap(openai.OpenAI(base_url={base!r}, api_key="none"))
        messages = [{{"role": "user", "content": prompt.prompt}}]
        if not stream:
            yield client.chat.completions.create(model="loop-model", messages=messages).choices[0].message.content
            return
        for chunk in client.chat.completions.create(model="loop-model", messages=messages, stream=True):
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content
class Awaited(llm.AsyncModel):
    model_id, can_stream = "awaited", True
    async def execute(self, prompt, stream, response, conversation):
        client = meter.wrap(openai.AsyncOpenAI(base_url={base!r}, api_key="none"))
        messages = [{{"role": "user", "content": prompt.prompt}}]
        answer = await client.chat.completions.create(model="loop-model", messages=messages)
        yield answer.choices[0].message.content
async def ask():
    print(await Awaited().prompt("Hi").text())
print(Mine().prompt("Hi", stream=False).text())
print(Mine().prompt("Hi").text())
asyncio.run(ask())
answer = meter.wrap(openai.OpenAI(base_url={base!r}, api_key="none")).chat.completions.create(
    model="loop-model", messages=[{{"role": "user", "content": "Hi"}}])
"""


def test_a_wrapped_client_beneath_leaves_no_second_entry(scripted: User, loopback: Loopback) -> None:
    said = scripted.done("-c", BENEATH.format(base=loopback.api_base))
    assert [line.strip() for line in said.splitlines()] == ["Hello there, friend."] * 3
    entries = scripted.entries()
    assert [(each.source, each.outcome) for each in entries[:3]] == [("llm", "ok")] * 3
    assert [each.user for each in entries[:3]] == ["login"] * 3
    # a call of the program's own, after them
    assert [each.source for each in entries[3:]] == ["meter"]


def test_a_prompt_whose_process_is_killed_is_no_answer_that_was_free(scripted: User) -> None:
    killed = "import llm, os\nfor chunk in llm.get_model('mine').prompt('Hi'): os.kill(os.getpid(), 9)\n"
    assert scripted.run("-c", killed).returncode < 0
    scripted.meter("ledger", "recover")
    assert [(each.user, each.outcome) for each in scripted.entries()] == [("login", "abandoned")]


def test_nothing_of_what_is_said_is_kept(scripted: User, loopback: Loopback) -> None:
    loopback.say(text="An answer-of-mine here.")
    scripted.llm("-m", "mine", "A question-of-mine?")
    kept = scripted.ledger.read_bytes() + b"".join(
        path.read_bytes() for path in scripted.ledger.parent.glob("ledger.db-*")
    )
    assert b"-of-mine" not in kept
    assert b"login" in kept


def test_a_ledger_that_is_away_never_breaks_a_prompt(scripted: User, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert scripted.llm("-m", "mine", "Hi", METER_LEDGER=str(tmp_path / "folder")).strip() == "Hello there, friend."


def test_details_of_other_providers_are_read_as_theirs() -> None:
    if find_spec("llm") is None:
        missing("llm is missing: pip install -e '.[test]'")
    code = """
import json, types, meter, meter_llm
def read(details):
    told = {"input_tokens": 100, "output_tokens": 20, "token_details": details}
    found = meter.usage_of(meter_llm.answer_of(types.SimpleNamespace(**told, _chunks=["Hi"], resolved_model=None)))
    return [found.input_tokens, found.cache_read_tokens, found.output_tokens, found.reasoning_tokens]
print(json.dumps([read(each) for each in (
    None,
    {"prompt_tokens_details": {"cached_tokens": 64}, "completion_tokens_details": {"reasoning_tokens": 8}},
    {"cache_read_input_tokens": 50, "cache_creation_input_tokens": 0},
    {"cachedContentTokenCount": 30, "thoughtsTokenCount": 5},
)]))
"""
    path = SOURCE
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    # OpenAI's input contains what was cached, Anthropic's does not; Gemini's output does not contain the thoughts
    assert json.loads(done.stdout) == [[100, 0, 20, 0], [100, 64, 20, 8], [150, 50, 20, 0], [100, 30, 25, 5]]
