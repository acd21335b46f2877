"""Every plugins/*/README.md, followed from a clean environment command by command, to the row or figure it promises."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import time
import tomllib
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.claude_logs import answer, usage, write
from tests.following import Followed
from tests.hosts import ROOT, Host
from tests.loopback import Answer
from tests.served import PROXY
from tests.webui import HOST as WEBUI

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.loopback import Loopback

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
PLUGINS = Host("plugins", (*EXTRAS["llm"], *EXTRAS["langchain"], *EXTRAS["mcp"], "langchain-openai"))
HOSTS = {
    "meter_langchain": PLUGINS,
    "meter_litellm": PROXY,
    "meter_llm": PLUGINS,
    "meter_mcp": PLUGINS,
    "meter_open_webui": WEBUI,
}
pytestmark = pytest.mark.host(*dict.fromkeys(HOSTS.values()))
LOCAL = "meter price set smollm2 --provider 127.0.0.1 --input 0.15 --output 0.6"
# the scripted server's 12 tokens in at 0.15 and 5 out at 0.6 USD per million
COST = Decimal("0.0000048")


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Host], Path]:
    """Give the folder that the wheel is installed into for a host, apart from its cached environment."""
    made: dict[Host, Path] = {}

    def of(host: Host) -> Path:
        if host not in made:
            made[host] = tmp_path_factory.mktemp("site")
            pip = [str(host.python()), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
            subprocess.run([*pip, "--target", str(made[host]), str(wheel)], check=True)
        return made[host]

    return of


@pytest.fixture
def readme(request: pytest.FixtureRequest, site: Callable[[Host], Path], tmp_path: Path) -> Followed:
    """Give the README that the test names, in an environment without the source."""
    host = HOSTS[request.param]
    followed = Followed(request.param, site(host), host.python(), tmp_path)
    found = followed.do("python -c 'import meter; print(meter.__file__)'")
    assert found.startswith(str(site(host)))
    return followed


def of(plugin: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("readme", [plugin], indirect=True)


@pytest.fixture
def openai(readme: Followed, loopback: Loopback) -> Loopback:
    """Give what the environment takes for OpenAI."""
    readme.environ |= {"OPENAI_BASE_URL": loopback.api_base, "OPENAI_API_KEY": "none"}
    return loopback


def report(readme: Followed, *arguments: str) -> dict[str, Any]:
    shown = readme.do(" ".join(["meter report", *arguments, "--json"]))
    return dict(json.loads(shown, parse_float=Decimal))


def test_every_readme_is_followed_and_a_line_that_is_not_is_told(tmp_path: Path) -> None:
    assert {path.parent.name for path in (ROOT / "plugins").glob("*/README.md")} == set(HOSTS)
    for plugin in HOSTS:
        readme = Followed(plugin, tmp_path, tmp_path, tmp_path)
        install, *others = readme.left()
        assert install.startswith("pip install ")
        readme.take(install)
        assert readme.left() == others != []


@of("meter_llm")
def test_llm(readme: Followed, openai: Loopback) -> None:
    readme.install("pip install 'chat-meter[llm]'")
    readme.run("meter plugins enable llm")
    openai.default = Answer(model="gpt-4o-mini")
    assert readme.run('llm -m gpt-4o-mini "Three names for a pelican"').strip() == "Hello there, friend."
    spent = readme.run("llm meter")
    assert spent.startswith("login this month: 0.0000048 USD")
    assert "gpt-4o-mini: 1 prompts, 0.0000048 USD" in spent
    assert "gpt-4o-mini" in readme.run("meter explain last")

    served = f"- model_id: mine\n  model_name: smollm2\n  api_base: {openai.api_base}\n"
    (readme.folder / "extra-openai-models.yaml").write_text(served)
    own = {"LLM_USER_PATH": str(readme.folder)}
    openai.default = Answer(model="smollm2")
    readme.do("llm -m mine Hi", **own)
    assert "smollm2" in readme.run("meter report", " --by model")
    assert report(readme)["totals"]["complete"] is False
    readme.run(LOCAL)
    readme.do("llm -m mine Hi", **own)
    assert report(readme)["totals"]["calls"] == 3

    readme.run("meter plugins disable llm")
    readme.do("llm -m mine Hi", **own)
    totals = report(readme)["totals"]
    assert (totals["calls"], totals["cost"]) == (3, 2 * COST)
    assert not readme.left()


@of("meter_langchain")
def test_langchain(readme: Followed, openai: Loopback) -> None:
    readme.install("pip install 'chat-meter[langchain]' langchain-openai")
    (block,) = readme.blocks("python")
    (readme.folder / "program.py").write_text(block)
    readme.do("python program.py")
    (row,), (session,) = (report(readme, "--by", by)["rows"] for by in ("user", "session"))
    assert (row["user"], session["session"], row["calls"]) == ("alice", "chat-7", 1)
    assert "alice" in readme.run("meter report")
    assert "alice" in readme.run("meter explain last")

    readme.take("meter serve")  # tests/test_serve.py does
    readme.run(LOCAL)
    (readme.folder / "local.py").write_text(block.replace("gpt-4o-mini", "smollm2").replace("alice", "bob"))
    openai.default = Answer(model="smollm2")
    readme.do("python local.py")
    assert report(readme, "--user", "bob")["totals"]["cost"] == COST

    readme.run("meter plugins enable langchain")
    recording = "import meter\nmeter.record(model='m', user='carol')"
    for first, calls in ((recording, 2), ("", 0)):
        user = "carol" if first else "dave"
        (readme.folder / "without.py").write_text(block.replace("import meter_langchain", first).replace("alice", user))
        readme.do("python without.py")
        assert report(readme, "--user", user)["totals"]["calls"] == calls
    assert not readme.left()


@of("meter_litellm")
def test_litellm(readme: Followed, loopback: Loopback) -> None:
    readme.install("pip install 'chat-meter[serve]'")
    readme.take("meter serve")  # tests/test_serve.py does
    readme.run(LOCAL)
    (lines,) = readme.blocks("yaml")
    model = {"model": "openai/smollm2", "api_base": loopback.api_base, "api_key": "none"}
    models = json.dumps([{"model_name": "smollm2", "litellm_params": model}])
    (readme.folder / "config.yaml").write_text(f"model_list: {models}\n{lines}")
    loopback.default = Answer(model="smollm2")
    with serving(
        readme, readme.take("litellm --config config.yaml"), "/health/liveliness", LITELLM_MASTER_KEY="sk-one"
    ) as url:
        ask = f"import openai; openai.OpenAI(base_url='{url}', api_key='sk-one').chat.completions.create("
        readme.do(f"""python -c "{ask}model='smollm2', user='alice', messages=[dict(role='user', content='Hi')])" """)
        shown = readme.run("meter report --by user")
    assert "alice" in shown
    (row,) = report(readme, "--by", "user")["rows"]
    assert (row["user"], row["calls"], row["cost"]) == ("alice", 1, COST)
    assert not readme.left()


@contextmanager
def serving(readme: Followed, command: str, path: str, **environ: str) -> Iterator[str]:
    """Run a server on a free port until it answers; yield its address, and end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = command.partition(" --port")[0] + f" --port {port}"
    with (readme.folder / "server.log").open("w+") as said:
        running = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            env={**readme.environ, **environ},
            cwd=readme.folder,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        url, end = f"http://127.0.0.1:{port}", time.monotonic() + 90
        try:
            while not _answers(url + path):
                assert running.poll() is None, (readme.folder / "server.log").read_text()
                assert time.monotonic() < end, (readme.folder / "server.log").read_text()
                time.sleep(0.1)
            yield url
        finally:
            running.terminate()
            running.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code < 500
    except httpx.TransportError:
        return False


@of("meter_mcp")
def test_mcp(readme: Followed) -> None:
    readme.install("pip install 'chat-meter[mcp]'")
    readme.run("meter plugins enable mcp")
    made = "usage={'usage': {'prompt_tokens': 12, 'completion_tokens': 5}}"
    readme.do(f"""python -c "import meter; meter.record(model='gpt-4o-mini', user='alice', {made})" """)
    readme.take("meter report --user alice")
    assert report(readme, "--user", "alice")["totals"]["cost"] == COST
    logs = Path(readme.environ["HOME"], ".claude", "projects", "mine")
    write(logs, "s1", answer("msg_1", usage(20), "2026-11-03T09:00:00.000Z"))
    readme.run("meter ledger import claude-code")
    assert report(readme)["totals"]["calls"] == 2
    found = readme.run("which meter").strip()

    desktop, code, http = (json.loads(each) for each in readme.blocks("json"))
    pasted, other = desktop["mcpServers"]["meter"], code["servers"]["meter"]
    for server in (pasted, other, {**pasted, "command": found}):
        assert asyncio.run(_over_stdio(readme, server["command"], server["args"])) == str(COST)
    assert asyncio.run(_over_stdio(readme, "python", ["-m", "meter_mcp", "--user", "alice"])) == str(COST)

    token = readme.run(
        'export METER_MCP_TOKEN=$(python -c "import secrets; print(secrets.token_urlsafe(32))")',
        '; echo "$METER_MCP_TOKEN"',
    ).strip()
    address = http["mcpServers"]["meter"]
    headers = {"Authorization": address["headers"]["Authorization"].replace("TOKEN", token)}
    command = readme.take("meter mcp --user alice --port 8765")
    assert address["url"].startswith("http://127.0.0.1:8765/")
    with serving(readme, command, "/mcp", METER_MCP_TOKEN=token) as url:
        place = url + "/" + address["url"].rpartition("/")[2]
        assert httpx.get(place).status_code == 401
        assert asyncio.run(_over_http(place, headers)) == str(COST)
    readme.run("meter plugins disable mcp")
    assert asyncio.run(_over_stdio(readme, "python", ["-m", *readme.take("python -m meter_mcp").split()[2:]])) == "0"
    assert not readme.left()


async def _over_stdio(readme: Followed, command: str, arguments: list[str]) -> str:
    from mcp import Client, StdioServerParameters

    server = StdioServerParameters(command=command, args=arguments, env=readme.environ, cwd=readme.folder)
    async with Client(server) as client:
        return str((await client.call_tool("month_cost", {})).structured_content["cost"])


async def _over_http(url: str, headers: dict[str, str]) -> str:
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        return str((await client.call_tool("month_cost", {})).structured_content["cost"])


@of("meter_open_webui")
def test_open_webui(readme: Followed) -> None:
    """In the real server the filter is tested by tests/test_plugin_open_webui.py."""
    readme.install("pip install chat-meter")
    code = 'python -c "import inspect, meter_open_webui; print(inspect.getsource(meter_open_webui))"'
    printed = readme.run(code)
    compile(printed, "filter.py", "exec")
    readme.run(LOCAL)
    readme.run("meter plan add pro --price 20")
    readme.run("meter subscription add anna@example.com pro --from 2026-11-01")
    readme.take("meter serve")  # tests/test_plugin_open_webui_served.py does
    (readme.folder / "filter.py").write_text(printed + CHAT)
    shown, *valves = readme.do("python filter.py").splitlines()
    assert shown.startswith("This answer cost 0.0000048 USD, this month 0.00")
    assert shown.endswith(" USD left of pro (20.00 USD)")
    text = (ROOT / "plugins/meter_open_webui/README.md").read_text("utf-8")
    assert [name for name in valves if f"`{name}`" not in text] == ["priority"]
    (row,) = report(readme, "--by", "user")["rows"]
    assert (row["user"], row["cost"]) == ("anna@example.com", COST)
    assert not readme.left()


CHAT = """
async def tell(event):
    print(event["data"]["description"])

made = Filter()
made.valves.provider = "127.0.0.1"
last = {"role": "assistant", "content": "Hi", "usage": {"prompt_tokens": 12, "completion_tokens": 5}}
body = {"model": "smollm2", "chat_id": "one", "messages": [last]}
asyncio.run(made.outlet(body, {"email": "anna@example.com"}, {"message_id": "m"}, __event_emitter__=tell))
print(*Filter.Valves.model_fields, sep="\\n")
"""
