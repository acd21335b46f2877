"""What the processes of the crash loop do that call with wrapped clients, whose entries are written behind answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from meter import Meter
    from tests.crashing import Answering

THREADS = 8
AT_ONCE = 40
USER = "wrapped"
DONE = "data: [DONE]"


@dataclass
class Wrapped:
    """Processes whose every call is made with a wrapped client, each answer logged as it is handed out."""

    ledger: Path
    log: Path
    server: Answering
    told: threading.Event = field(default_factory=threading.Event)

    def call(self, threads: int = THREADS) -> None:
        """Call from several threads until killed, or until told; then what is left is written, and nothing beside."""
        import httpx
        import openai

        metered, log = self._begun()
        with metered.wrap(httpx.Client(base_url=self.server.address, timeout=60)) as http:
            sdk = metered.wrap(openai.OpenAI(base_url=self.server.address, api_key="key"))
            body = self.server.body
            ways: list[Callable[[], str]] = [
                lambda: sdk.chat.completions.create(**body).id,
                lambda: list(sdk.chat.completions.create(**body, stream=True))[-1].id,
                lambda: http.post("/chat/completions", json=body).json()["id"],
                lambda: _streamed(http, body),
            ]
            self._repeat(ways, threads, log)
        metered.close()

    def call_behind(self) -> None:
        """Do the same with a thread that writes nothing: all is in the journal alone."""
        from meter import behind

        behind.Behind._run = lambda _: None  # type: ignore[method-assign]  # in this process alone
        behind.MOST = 1 << 30
        self.call()

    def call_in_a_loop(self) -> None:
        """Call from an event loop until killed."""
        import httpx
        import openai

        metered, log = self._begun()

        async def crowd() -> None:
            http = metered.wrap(httpx.AsyncClient(base_url=self.server.address, timeout=60))
            sdk = metered.wrap(openai.AsyncOpenAI(base_url=self.server.address, api_key="key"))

            async def ask(number: int) -> None:
                while True:
                    number += 1
                    if number % 3 == 0:
                        said = (await sdk.chat.completions.create(**self.server.body)).id
                    elif number % 3 == 1:
                        stream = await sdk.chat.completions.create(**self.server.body, stream=True)
                        said = [chunk async for chunk in stream][-1].id
                    else:
                        said = (await http.post("/chat/completions", json=self.server.body)).json()["id"]
                    os.write(log, f"{said}\n".encode())

            await asyncio.gather(*map(ask, range(AT_ONCE)))

        asyncio.run(crowd())

    def _begun(self) -> tuple[Meter, int]:
        import meter

        signal.signal(signal.SIGTERM, lambda *_: self.told.set())
        return meter.Meter(ledger=self.ledger, user=USER), os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def _repeat(self, ways: list[Callable[[], str]], count: int, log: int) -> None:
        def ask(number: int) -> None:
            while not self.told.is_set():
                os.write(log, f"{ways[number % len(ways)]()}\n".encode())
                number += 1

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def warm(server: Answering, ledger: Path) -> None:
    """Load what the first call of each kind loads."""
    import httpx
    import openai

    import meter

    with contextlib.closing(meter.Meter(ledger=ledger)) as metered:
        for _ in range(2):  # the first one is written before its answer
            metered.wrap(openai.OpenAI(base_url=server.address, api_key="key")).chat.completions.create(**server.body)
        _streamed(metered.wrap(httpx.Client(base_url=server.address)), server.body)


def _streamed(http: Any, body: dict[str, Any]) -> str:
    """Return the id of a streamed answer as soon as its last event is there."""
    found = ""
    with http.stream("POST", "/chat/completions", json={**body, "stream": True}) as response:
        for line in response.iter_lines():
            if line == DONE:
                return found
            if line:
                found = json.loads(line.removeprefix("data: "))["id"]
    raise RuntimeError("A stream was over before its last event.")
