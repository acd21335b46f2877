"""meter_mcp: an MCP server with which an assistant can ask what it has cost its user.

One server answers for one user, who is named when it starts; no tool takes another. It reads the ledger and writes
nothing. Over stdio whoever starts it is trusted; over HTTP every request bears a token.
"""

from __future__ import annotations

import getpass
import hmac
import ipaddress
import json
import logging
import os
import secrets
import signal
import socket
from typing import TYPE_CHECKING, Any

import click

import meter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcp.server.lowlevel import Server
    from mcp_types import CallToolResult

log = logging.getLogger("meter")

TOKEN = "METER_MCP_TOKEN"  # noqa: S105  the name of a variable
"""The variable with the token that requests over HTTP bear."""
SHORTEST = 16
"""Characters of a token that is given."""
ABOUT = (
    "What the user's calls to language models have cost, as meter wrote them down: this conversation, a month, what is "
    "left of their plan, and what the same would have cost on another model. Amounts are exact and stand as text; null "
    "is unknown, never 0. All of it is about one user, and nothing can be changed."
)


@meter.hookimpl
def register_commands(cli: click.Group) -> None:
    """Add `meter mcp`."""
    cli.add_command(mcp)


@click.command(epilog="Example: meter mcp --user alice")
@click.option("--user", metavar="ID", help="Whose calls it tells of; else METER_USER, else the login.")
@click.option("--session", metavar="ID", help="The conversation it is asked in; else the one with the last call.")
@click.option("--ledger", metavar="FILE", help="The ledger, a file ending in .db; else that of the settings.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Serve HTTP here, 0 for any free port; else stdio.")
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", help="Where HTTP is served; else this machine alone.")
@click.option("--public", is_flag=True, help="Let --host be an address that other machines reach.")
def mcp(user: str | None, session: str | None, ledger: str | None, port: int | None, **where: Any) -> None:
    """Let an assistant ask what it has cost, over MCP.

    It tells of one user, reads the ledger and changes nothing. Over HTTP each request needs a token as its bearer:
    METER_MCP_TOKEN, or one that is made and shown when it starts. HTTP is not encrypted: beyond this machine put a
    proxy with TLS before it.
    """
    whose = user or payer()
    if not whose.strip():
        raise click.UsageError("Nobody is known whose calls it could tell of; give --user, or set METER_USER.")
    if port is None and (where["public"] or where["host"] != "127.0.0.1"):
        raise click.UsageError("--host and --public are for HTTP; give --port too.")
    if port is not None and not where["public"] and not is_loopback(where["host"]):
        raise click.UsageError(f"Other machines reach {where['host']}; give --public too where they may.")
    serve = _over_stdio if port is None else _over_http(where["host"], port)
    import asyncio

    try:
        asyncio.run(serve(server(meter.tools(whose, session=session, ledger=ledger))))
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"mcp", "mcp_types", "uvicorn"}:
            raise
        raise meter.MissingPackage("The package mcp is missing: pip install 'chat-meter[mcp]'") from error
    except KeyboardInterrupt:
        return


def payer() -> str:
    """Return who is at the keyboard: METER_USER, else the login; nothing where the system has no name for them."""
    try:
        return meter.Meter().settings.user or getpass.getuser()
    except (OSError, KeyError):  # in a container whose user is a number
        return ""


def server(tools: Sequence[meter.Tool]) -> Server[Any]:
    """Return an MCP server with some tools."""
    from mcp import MCPError
    from mcp.server.lowlevel import Server
    from mcp_types import INVALID_PARAMS, ListToolsResult, Tool, ToolAnnotations

    by_name = {tool.name: tool for tool in tools}
    hints = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)

    async def list_tools(*_: Any) -> ListToolsResult:
        listed = [
            Tool(name=each.name, description=each.description, input_schema=dict(each.parameters), annotations=hints)
            for each in tools
        ]
        return ListToolsResult(tools=listed)

    async def call_tool(_: Any, asked: Any) -> CallToolResult:
        import anyio

        tool = by_name.get(asked.name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, f"There is no such tool; there are {', '.join(by_name)}.")
        # the ledger is a file, and the loop has others to answer
        return await anyio.to_thread.run_sync(answered, tool, asked.arguments)

    return Server("meter", instructions=ABOUT, on_list_tools=list_tools, on_call_tool=call_tool)


def answered(tool: meter.Tool, arguments: dict[str, Any] | None) -> CallToolResult:
    """Return what a tool tells, or why it cannot."""
    from mcp_types import CallToolResult, TextContent

    try:
        told = tool(arguments)
    except meter.MeterError as error:
        return CallToolResult(content=[TextContent(text=str(error))], is_error=True)
    except Exception as error:  # noqa: BLE001  its text may hold anything, and the next question may be answered
        log.warning("A question over MCP could not be answered (%s).", type(error).__name__)
        text = f"The figures could not be read ({type(error).__name__})."
        return CallToolResult(content=[TextContent(text=text)], is_error=True)
    # clients that know no structured content read it as text
    figures = json.dumps(told.figures, ensure_ascii=False)
    content = [TextContent(text=told.text), TextContent(text=figures)]
    return CallToolResult(content=[*content], structured_content=told.figures)


async def _over_stdio(served: Server[Any]) -> None:
    from mcp import stdio_server

    # the thread that reads stdin cannot be stopped: what would wait for it ends at once, and has nothing to finish
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    async with stdio_server() as (read, write):
        await served.run(read, write, served.create_initialization_options())


def _over_http(host: str, port: int) -> Callable[[Server[Any]], Any]:
    """Return what serves at an address; raise InputError for a token that is too short, or an address that is taken."""
    token = os.environ.get(TOKEN) or ""
    if token and (len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token):
        raise meter.InputError(f"{TOKEN} is no token of {SHORTEST} or more plain characters; set a longer one.")
    if not token:
        token = secrets.token_urlsafe(32)
        click.echo(f"No {TOKEN} is set; this one holds until the server ends: {token}", err=True)
    listening = _listening(host, port)
    at, bound = listening.getsockname()[:2]
    click.echo(f"MCP is served at http://{f'[{at}]' if ':' in at else at}:{bound}/mcp", err=True)

    async def serve(served: Server[Any]) -> None:
        import uvicorn

        app = guarded(served.streamable_http_app(stateless_http=True, json_response=True, host=host), token)
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
        await uvicorn.Server(config).serve(sockets=[listening])

    return serve


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        text = error.strerror or type(error).__name__
        raise meter.InputError(f"{host}:{port} cannot be served ({text}); give another --port or --host.") from error


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def guarded(app: Any, token: str) -> Any:
    """Return an ASGI app that lets only requests through that bear a token."""
    wanted = f"bearer {token}".encode()

    async def checked(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http" or _is_borne(scope, wanted):
            await app(scope, receive, send)
            return
        head = [(b"content-type", b"text/plain"), (b"www-authenticate", b"Bearer")]
        await send({"type": "http.response.start", "status": 401, "headers": head})
        await send({"type": "http.response.body", "body": b"Bear the server's token: Authorization: Bearer ...\n"})

    return checked


def _is_borne(scope: dict[str, Any], wanted: bytes) -> bool:
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) != 1:
        return False
    scheme, _, token = given[0].partition(b" ")
    return hmac.compare_digest(scheme.lower() + b" " + token.strip(), wanted)
