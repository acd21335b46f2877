"""Open WebUI: the real server in its own environment, with meter's filter in it, driven over its API."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any, Self

import httpx

from tests.hosts import ROOT, SOURCE, Host
from tests.kept import kept_in

if TYPE_CHECKING:
    from pathlib import Path

    import meter

HOST = Host("open_webui", alone="open-webui==0.12.4", listed="requirements-slim.txt")
FILTER = ROOT / "plugins" / "meter_open_webui" / "__init__.py"
SLIM = {
    "FROM_INIT_PY": "true",
    "USE_SLIM_DOCKER": "true",
    "OFFLINE_MODE": "true",
    "HF_HUB_OFFLINE": "1",
    "RAG_EMBEDDING_ENGINE": "openai",
    "ENABLE_OLLAMA_API": "false",
    "ENABLE_FORWARD_USER_INFO_HEADERS": "true",
    "WEBUI_SECRET_KEY": "of a test",
    "ANONYMIZED_TELEMETRY": "false",
}
LONGEST = 60
"""Seconds after which a server is taken for dead."""


class OpenWebui:
    """The server, its administrator, and meter's filter for all models."""

    def __init__(self, python: Path, folder: Path, providers: dict[str, str], *, key: str = "none") -> None:
        """Start it with models: model to the base URL of who serves it."""
        self.folder, self.ledger = folder, folder / "ledger.db"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("METER_") and not k.endswith("_API_KEY")}
        (folder / "meter.toml").write_text("")
        (folder / "data").mkdir()
        self.environ = {
            **kept,
            **SLIM,
            "PYTHONPATH": SOURCE,
            "DATA_DIR": str(folder / "data"),
            "STATIC_DIR": str(folder / "static"),
            "METER_LEDGER": str(self.ledger),
            "METER_CONFIG": str(folder / "meter.toml"),
            "OPENAI_API_BASE_URLS": ";".join(providers.values()),
            "OPENAI_API_KEYS": ";".join(key for _ in providers),
        }
        self._log = (folder / "server.log").open("w")
        command = [str(python), "-m", "uvicorn", "open_webui.main:app", "--host", "127.0.0.1", "--port", str(port)]
        self._process = subprocess.Popen(
            command, env=self.environ, cwd=folder, stdout=self._log, stderr=subprocess.STDOUT
        )
        self.client = httpx.Client(base_url=self.url, timeout=LONGEST)
        self._models, self._key = providers, key

    def __enter__(self) -> Self:
        try:
            self.until(self._is_up)
            admin = self.post("/api/v1/auths/signup", name="<b>Ann</b>", email="ann@example.com", password="secret")  # noqa: S106
            self.token = admin["token"]
            self.client.headers["Authorization"] = f"Bearer {self.token}"
            configs = {str(place): {"enable": True, "model_ids": [name]} for place, name in enumerate(self._models)}
            urls = list(self._models.values())
            keys = [self._key] * len(urls)
            connections = {"OPENAI_API_BASE_URLS": urls, "OPENAI_API_KEYS": keys, "OPENAI_API_CONFIGS": configs}
            self.post("/openai/config/update", ENABLE_OPENAI_API=True, **connections)
            self.client.get("/api/models").raise_for_status()
            described = {"description": "What each answer cost", "manifest": {}}
            self.post("/api/v1/functions/create", id="meter", name="Meter", content=FILTER.read_text(), meta=described)
            self.post("/api/v1/functions/id/meter/toggle")
            self.post("/api/v1/functions/id/meter/toggle/global")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def post(self, path: str, **body: Any) -> Any:
        answer = self.client.post(path, json=body)
        assert answer.is_success, (path, answer.status_code, answer.text[:500], self.said())
        return answer.json()

    def set(self, **valves: Any) -> None:
        """Set the filter's valves; those that are not named are as they come."""
        self.post("/api/v1/functions/id/meter/valves/update", **{"provider": "127.0.0.1", **valves})

    def chat(
        self, model: str, text: str = "Say hello.", *, stream: bool = True, tasks: dict[str, bool] | None = None
    ) -> dict[str, Any]:
        """Say something in a new chat as a browser does; return the chat's id and the answer once all is done."""
        asked, answered = str(uuid.uuid4()), str(uuid.uuid4())
        one = {"id": asked, "parentId": None, "childrenIds": [answered], "role": "user", "content": text}
        two = {"id": answered, "parentId": asked, "childrenIds": [], "role": "assistant", "content": "", "model": model}
        history = {"currentId": answered, "messages": {asked: one, answered: two}}
        chat = self.post("/api/v1/chats/new", chat={"title": "t", "models": [model], "history": history})["id"]
        message = {"role": "user", "content": text}
        ids = {
            "chat_id": chat,
            "id": answered,
            "parent_id": asked,
            "session_id": "a-test",
            "background_tasks": tasks or {},
        }
        self.post("/api/chat/completions", model=model, stream=stream, messages=[message], max_tokens=8, **ids)
        self.until(lambda: not self.client.get(f"/api/tasks/chat/{chat}").json().get("task_ids"))
        kept = self.client.get(f"/api/v1/chats/{chat}").json()["chat"]["history"]["messages"][answered]
        return {**kept, "chat": chat}

    def entries(self) -> list[meter.Entry]:
        """Return what the ledger has."""
        return kept_in(self.ledger)

    def meter(self, *arguments: str) -> str:
        """Run meter's command in the server's settings."""
        ran = subprocess.run(
            [sys.executable, "-m", "meter", *arguments], env=self.environ, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def said(self) -> str:
        """Return the last words of the server's log."""
        return (self.folder / "server.log").read_text(errors="replace")[-3000:]

    def until(self, is_so: Any) -> None:
        """Wait until something is so; fail with the log where it never is."""
        end = time.monotonic() + LONGEST
        while not is_so():
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < end, self.said()
            time.sleep(0.05)

    def _is_up(self) -> bool:
        try:
            return self.client.get("/health").is_success
        except httpx.TransportError:
            return False


def lines(message: dict[str, Any]) -> list[str]:
    """Return the status lines that are shown above an answer."""
    return [status["description"] for status in message.get("statusHistory") or []]
