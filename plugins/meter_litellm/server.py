"""Server: LiteLLM's proxy in this process, with meter in it; what `meter serve` starts."""

from __future__ import annotations

import os
import signal
import socket
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NoReturn

import meter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE_S = 5
"""How long answers that are under way may take when it is told to stop; then they are broken off, and written."""
NEEDED = ("litellm", "fastapi", "uvicorn", "yaml", "orjson", "apscheduler")
"""What LiteLLM's proxy does not start without."""


def check() -> None:
    """Raise MissingPackage where LiteLLM's proxy is not installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise meter.MissingPackage(
            f"meter serve needs LiteLLM's proxy, of which {', '.join(missing)} is not installed: "
            "pip install 'chat-meter[serve]'"
        )


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address; raise InputError where that cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        what = getattr(error, "strerror", None) or str(error)
        raise meter.InputError(f"Nothing can listen at {host}:{port}: {what}. Give another --port or --host.") from None
    return listening


def has_key(config: Path) -> bool:
    """Tell whether a configuration has a master_key of its own; raise InputError where it is none."""
    yaml: Any = import_module("yaml")
    try:
        said = yaml.safe_load(config.read_text("utf-8")) or {}
        return bool((said.get("general_settings") or {}).get("master_key"))
    except (yaml.YAMLError, AttributeError, ValueError) as error:
        raise meter.InputError(
            f"{config} is no configuration of LiteLLM's proxy ({type(error).__name__}); give its config.yaml."
        ) from None


def run(config: Path, listening: socket.socket, ready: Callable[[], None], environ: dict[str, str | None]) -> None:
    """Serve until a signal; `environ` is what LiteLLM and meter are told by the environment, None to take it away."""
    # the map of prices comes with litellm: nothing is fetched
    os.environ.update({"LITELLM_LOCAL_MODEL_COST_MAP": "True", "CONFIG_FILE_PATH": str(config)})
    for name, value in environ.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    import litellm
    import uvicorn

    from meter_litellm import handler

    # by its name: it is half of litellm, and mypy would read all of it
    app = import_module("litellm.proxy.proxy_server").app
    litellm.suppress_debug_info = True
    litellm.logging_callback_manager.add_litellm_callback(handler)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()

    # uvicorn raises the signal that stopped it once more: as an exit, so that what is open is written
    signal.signal(signal.SIGTERM, _stopped)
    settings = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=PATIENCE_S)
    server: Any = Server(settings)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        return
    if not server.started:
        raise meter.InputError(f"LiteLLM's proxy did not start with {config}; what it says stands above.")


def _stopped(*_: object) -> NoReturn:
    sys.exit(0)
