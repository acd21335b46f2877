"""meter_open_webui in the real Open WebUI: over its API, and once in a real browser."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import meter_open_webui
from meter.ledger import Query
from tests.loopback import MISSING, Loopback
from tests.webui import HOST, OpenWebui, lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meter.local import LocalModel

pytestmark = pytest.mark.host(HOST)
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ANN = "ann@example.com"


@pytest.fixture(scope="module")
def provider() -> Iterator[Loopback]:
    with Loopback() as server:
        yield server
    assert not server.failures


@pytest.fixture(scope="module")
def webui(tmp_path_factory: pytest.TempPathFactory, provider: Loopback, local_model: LocalModel) -> Iterator[OpenWebui]:
    served = {"loop-model": provider.api_base, "smollm2": local_model.api_base}
    with OpenWebui(HOST.python(), tmp_path_factory.mktemp("webui"), served) as made:
        for model, rate in (("loop-model", "1"), ("smollm2", "0.15")):
            made.meter("price", "set", model, "--provider", "127.0.0.1", "--input", rate, "--output", "2")
        made.meter("plan", "add", "pro", "--price", "20")
        made.meter("subscription", "add", ANN, "pro", "--from", "2026-01-01")
        yield made


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_is_an_entry_under_its_user_and_shows_what_it_cost(webui: OpenWebui, stream: bool) -> None:
    webui.set()
    answer = webui.chat("smollm2", stream=stream)
    entry = webui.entries()[-1]
    assert (entry.user, entry.session, entry.model) == (ANN, answer["chat"], "smollm2")
    assert (entry.source, entry.outcome, entry.provider) == ("open-webui", "ok", "127.0.0.1")
    assert entry.usage is not None
    assert entry.usage.output_tokens > 0
    assert entry.nanos == entry.usage.input_tokens * 150 + entry.usage.output_tokens * 2000
    (line,) = lines(answer)
    cost, month, left = line.split(", ")
    assert Decimal(cost.removeprefix("This answer cost ").removesuffix(" USD")) > 0
    assert month.startswith("this month 0.0")
    assert left.endswith(" USD left of pro (20.00 USD)")


def test_the_line_is_in_chinese_and_says_only_what_the_valves_show(webui: OpenWebui) -> None:
    webui.set(language="zh", show_month=False, show_left=False)
    assert lines(webui.chat("loop-model")) == ["本次回答 0.000022 USD"]


def test_without_parts_there_is_no_line_and_the_call_is_kept(webui: OpenWebui) -> None:
    webui.set(show_cost=False, show_month=False, show_left=False)
    before = len(webui.entries()) if webui.ledger.exists() else 0
    assert lines(webui.chat("loop-model")) == []
    assert len(webui.entries()) == before + 1


def test_an_answer_without_usage_costs_an_unknown_amount_not_nothing(webui: OpenWebui, provider: Loopback) -> None:
    webui.set(show_month=False, show_left=False)
    provider.say(usage=MISSING, usage_at="nowhere")
    answer = webui.chat("loop-model")
    assert lines(answer) == ["What this answer cost is unknown"]
    assert (webui.entries()[-1].nanos, webui.entries()[-1].usage) == (None, None)


def test_a_ledger_that_is_away_never_breaks_a_chat(webui: OpenWebui, tmp_path: Path) -> None:
    webui.set(ledger=str(tmp_path))
    answer = webui.chat("loop-model")
    assert answer["content"].strip() == "Hello there, friend."
    assert lines(answer) == []


def test_what_is_not_to_be_kept_is_not(webui: OpenWebui) -> None:
    webui.set()
    webui.chat("loop-model")
    before = len(webui.entries())
    webui.set(record=False)
    webui.chat("smollm2")
    assert len(webui.entries()) == before


def test_a_call_that_something_else_kept_is_shown_and_not_kept_again(webui: OpenWebui, provider: Loopback) -> None:
    webui.set(record=True, show_month=False, show_left=False)
    usage = '{"prompt_tokens": 12, "completion_tokens": 5}'
    script = (
        "import meter, json, sys; "
        "meter.record(model='loop-model', provider='127.0.0.1', user='ann@example.com', response_id='kept-elsewhere', "
        f"usage={{'usage': json.loads('{usage}')}}, source='litellm', source_key='one')"
    )
    subprocess.run([sys.executable, "-c", script], env=webui.environ, check=True)
    before = len(webui.entries())
    provider.say(id="kept-elsewhere")
    assert lines(webui.chat("loop-model")) == ["This answer cost 0.000022 USD"]
    assert len(webui.entries()) == before


def test_nothing_of_what_is_said_is_kept(webui: OpenWebui, provider: Loopback) -> None:
    webui.set()
    provider.say(text="An answer-of-mine here.")
    webui.chat("loop-model", "A question-of-mine?")
    kept = b"".join(path.read_bytes() for path in webui.folder.glob("ledger.db*"))
    assert b"-of-mine" not in kept
    assert ANN.encode() in kept


@pytest.mark.parametrize(
    "body", [None, [], {}, {"messages": None}, {"messages": ["x"]}, {"messages": [{"usage": "lots"}], "model": 5}]
)
async def test_a_body_of_another_shape_passes(body: object, tmp_path: Path) -> None:
    made = meter_open_webui.Filter()
    made.valves.ledger = str(tmp_path / "ledger.db")
    assert made.inlet(body) is body
    assert made.stream(body) is body
    assert await made.outlet(body, None, None, None) is body
    for own in made._meters.values():
        await asyncio.to_thread(own.close)


def test_a_model_is_its_connections_where_no_valve_names_a_provider(webui: OpenWebui) -> None:
    """A vendor's name at a server of one's own is not priced as the vendor's."""
    webui.set(provider="")
    webui.chat("loop-model", stream=True)
    webui.chat("loop-model", stream=False)
    assert [entry.provider for entry in webui.entries()[-2:]] == ["127.0.0.1", "127.0.0.1"]


async def test_an_answer_for_which_tools_are_called_is_a_call_each(tmp_path: Path) -> None:
    made = meter_open_webui.Filter()
    made.valves.ledger, made.valves.provider = str(tmp_path / "ledger.db"), "openai"
    told = {"message_id": "m", "chat_id": "c"}
    said = []

    async def emit(event: dict[str, Any]) -> None:
        said.append(event["data"]["description"])

    for response in ("one", "two"):
        chunk = {"id": response, "model": "gpt-4o-mini", "choices": []}
        made.stream(chunk, told)
        made.stream({**chunk, "usage": {"prompt_tokens": 1000, "completion_tokens": 100}}, told)
    summed = {"prompt_tokens": 2000, "completion_tokens": 200}
    body = {"model": "preset", "messages": [{"role": "assistant", "id": "m", "usage": summed}]}
    await made.outlet(body, {"email": ANN}, told, __event_emitter__=emit)
    (own,) = made._meters.values()
    entries = list(own.ledger.entries(Query()))
    assert [(each.response_id, each.model, each.nanos) for each in entries] == [
        ("one", "gpt-4o-mini", 210_000),
        ("two", "gpt-4o-mini", 210_000),
    ]
    assert said[0].startswith("This answer cost 0.00042 USD")
    await asyncio.to_thread(own.close)


def test_in_a_browser_the_line_stands_above_the_answer(webui: OpenWebui) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright drives the browser")
    if not Path(CHROMIUM).exists():
        from tests.conftest import missing

        missing("chromium is missing: apt-get install chromium")
    webui.set()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1100, "height": 700})
        try:
            page.goto(f"{webui.url}/auth")
            page.locator("input[type=email]").fill(ANN)
            page.locator("input[type=password]").fill("secret")
            page.keyboard.press("Enter")
            page.locator("#chat-input").wait_for(timeout=30_000)
            page.goto(f"{webui.url}/?models=loop-model")
            page.locator("#chat-input").wait_for(timeout=30_000)
            page.keyboard.press("Escape")
            page.locator("#chat-input").click()
            page.keyboard.type("Say hello.")
            page.keyboard.press("Enter")
            line = page.get_by_text("This answer cost").first
            line.wait_for(timeout=30_000)
            text = line.inner_text()
            assert text.startswith("This answer cost 0.000022 USD, this month ")
            assert "left of pro" in text
            assert page.get_by_text("Hello there, friend.").first.is_visible()
        finally:
            page.screenshot(path=str(webui.folder / "screen.png"))
            browser.close()
