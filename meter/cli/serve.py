"""`meter serve`: a server that any OpenAI or Anthropic client can use, and that meters what goes through it."""

from __future__ import annotations

import json
import secrets
import sys
import tempfile
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meter.cli.options import ledger_option, settings_for
from meter.settings import gateway_key, vendor_keys

if TYPE_CHECKING:
    from meter.settings import Settings

_AS_IT_IS = {"router_settings": {"disable_cooldowns": True}}
"""Each model has one server: where that fails once, LiteLLM would refuse the next calls by itself."""
_OPEN = {"LITELLM_MASTER_KEY": None, "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}
"""What --no-key asks for, and LiteLLM else refuses to start with; it listens on this machine only then."""
LOCAL = "local"
"""What --model names the small model on this machine as."""


@click.command(epilog="Example: meter serve --model local --port 4100")
@click.option(
    "--model",
    "-m",
    "models",
    metavar="[NAME=]MODEL[@URL]",
    multiple=True,
    help="A model to serve, as litellm names it, under its own or another NAME; with the URL of a server that is "
    'OpenAI-compatible; "local" for a small model on this machine. Several can be given. Else that of the settings and '
    "those of the vendors whose keys are set.",
)
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
    help="A configuration of LiteLLM's proxy, as it is.",
)
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Where it listens.")
@click.option("--port", metavar="N", type=click.IntRange(0, 65535), default=4000, show_default=True, help="0: any.")
@click.option("--no-key", is_flag=True, help="Serve everybody who can reach it; on this machine only.")
@ledger_option
def serve(models: tuple[str, ...], config: Path | None, host: str, port: int, no_key: bool, ledger: str | None) -> None:
    """Serve models to any OpenAI or Anthropic client, and write an entry for each call.

    It is LiteLLM's proxy with meter in it. Clients name their user as they do everywhere (`user`, `metadata.user_id`,
    the headers of Open WebUI). Without LITELLM_MASTER_KEY a key is made for this run, and printed.
    """
    settings = settings_for(ledger)
    server = _server()
    if config is not None and models:
        raise click.UsageError("--config has its models; leave --model away, or write them into it.")
    if no_key and host not in ("127.0.0.1", "::1", "localhost"):
        raise click.UsageError(f"--no-key is for this machine only, not for {host}; leave it or --host away.")
    with ExitStack() as stack:
        key, told = _key(server, config, no_key=no_key)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meter-serve-")))
        asked = [] if config else _asked(models, settings)
        names, path = ([], config) if config else _made(folder, [_model(each, stack) for each in asked])
        listening = stack.enter_context(server.bind(host, port))
        address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
        environ = {
            "METER_LEDGER": settings.ledger,
            **({"LITELLM_MASTER_KEY": key} if key else {}),
            **(_OPEN if no_key else {}),
        }
        server.run(path.absolute(), listening, lambda: _say(address, names, told), environ)


def _server() -> Any:
    """Return what runs the proxy; raises MissingPackage where it is not installed."""
    server = import_module("meter_litellm.server")
    server.check()
    return server


def _asked(models: tuple[str, ...], settings: Settings) -> list[str]:
    """Return the models to serve: those that were named, else the settings' and those of vendors whose key is set."""
    if models:
        return list(models)
    vendors = [f"{model.partition('/')[0]}/*" for _, model in vendor_keys()]
    found = [*([settings.model] if settings.model else []), *vendors, *(["*"] if vendors else [])]
    if not found:
        raise click.UsageError(
            "No model is named and no vendor's key is set. Name one, like --model local or "
            "--model llama=openai/llama@http://127.0.0.1:8080/v1, set a key like OPENAI_API_KEY, or give --config."
        )
    return found


def _model(asked: str, stack: ExitStack) -> dict[str, Any]:
    """Return a model as LiteLLM's configuration has it; starts the local one."""
    named, _, url = asked.partition("@")
    name, is_named, target = (part.strip() for part in named.rpartition("="))
    if not target or (is_named and not name) or ("@" in asked and not url.startswith(("http://", "https://"))):
        raise click.UsageError(f'--model is "{asked}"; give it like llama=openai/llama@http://127.0.0.1:8080/v1.')
    if target == LOCAL:
        from meter.cli.local_model import served

        local = stack.enter_context(served(parallel=4)).request
        return {"model_name": name or local["model"].removeprefix("openai/"), "litellm_params": local}
    if not url:
        return {"model_name": name or target, "litellm_params": {"model": target}}
    model = target if "/" in target else f"openai/{target}"
    # without one litellm would send the key of OpenAI there
    return {"model_name": name or target, "litellm_params": {"model": model, "api_base": url, "api_key": "none"}}


def _made(folder: Path, models: list[dict[str, Any]]) -> tuple[list[str], Path]:
    """Write LiteLLM's configuration; JSON is YAML. Return the models' names and its path."""
    path = folder / "config.yaml"
    path.write_text(json.dumps({"model_list": models, **_AS_IT_IS}), "utf-8")
    return [each["model_name"] for each in models], path


def _key(server: Any, config: Path | None, *, no_key: bool) -> tuple[str | None, str]:
    """Return the key that clients must send, None where the configuration has it or there is none; and what to say."""
    has_own = config is not None and server.has_key(config)
    if no_key:
        if has_own:
            raise click.UsageError(f"--no-key serves everybody, but {config} has a master_key; take one of them away.")
        return None, "none is asked for"
    if has_own:
        return None, "the master_key of the configuration"
    if given := gateway_key():
        return given, "that of LITELLM_MASTER_KEY"
    made = f"sk-{secrets.token_urlsafe(24)}"
    return made, f"{made} (made for this run; set LITELLM_MASTER_KEY to keep one)"


def _say(address: str, names: list[str], key: str) -> None:
    """Say where clients go; the key is said once, here."""
    served = f" serves {', '.join(names)}" if names else " serves"
    lines = [
        f"meter{served} at {address}. Ctrl-C stops it.",
        f"OpenAI clients:    OPENAI_BASE_URL={address}/v1",
        f"Anthropic clients: ANTHROPIC_BASE_URL={address}",
        f"Key:               {key}",
    ]
    click.echo("\n".join(lines))
    sys.stdout.flush()
