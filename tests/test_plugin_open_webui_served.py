"""Open WebUI with `meter serve` as its connection, and the filter beside it: each call is kept once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.served import PROXY, Served
from tests.webui import HOST, OpenWebui, lines

if TYPE_CHECKING:
    from pathlib import Path

    from tests.loopback import Loopback

pytestmark = [pytest.mark.host(HOST), pytest.mark.host(PROXY)]
TASKS = {"title_generation": True, "tags_generation": True}


@pytest.mark.parametrize("record", [True, False])
def test_the_title_call_is_there_with_its_purpose_and_no_call_twice(
    tmp_path: Path, loopback: Loopback, record: bool
) -> None:
    folder = tmp_path / "webui"
    folder.mkdir()
    model = f"loop-model=openai/loop-model@{loopback.api_base}"
    with Served(tmp_path, "serve", "--port", "0", "--model", model) as server:
        address = f"{server.address}/v1"
        with OpenWebui(HOST.python(), folder, {"loop-model": address}, key=server.key) as webui:
            webui.set(record=record, ledger=str(server.ledger), show_month=False, show_left=False)
            loopback.say(id="of-the-answer")
            answer = webui.chat("loop-model", tasks=TASKS)
            entries = server.since(0, 3)
    assert lines(answer) == ["What this answer cost is unknown"]  # the proxy's model has no price here
    assert sorted(entry.purpose or "" for entry in entries) == ["", "tags", "title"]
    assert {(entry.user, entry.session) for entry in entries} == {("ann@example.com", answer["chat"])}
    assert [entry.purpose for entry in entries if entry.response_id == "of-the-answer"] == [None]
