"""What the processes of the crash loop do that call through litellm's verbs, and those that recover."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.crashing import Answering

AT_ONCE = 200
THREADS = 16


@dataclass
class Workers:
    """What the processes do."""

    ledger: Path
    log: Path
    """Ids of the answers, in the order in which they were handed out."""
    server: Answering

    def call(self, begun: int | None = None) -> None:
        """Make calls until killed, many at once, and log each answer as it is handed out."""
        import meter
        from meter import turn

        turn.PATIENCE_S = 0.05
        logging.getLogger("meter").setLevel(logging.ERROR)  # it warns of the lock, and is meant to
        metered = meter.Meter(ledger=self.ledger)
        log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        if begun is not None:
            os.close(begun)

        async def ask(number: int) -> None:
            while True:
                number += 1
                if number % 3:
                    answer = await metered.acompletion(**self.server.call, user=f"user{number % 7}")
                else:
                    stream = await metered.acompletion(**self.server.call, user="streams", stream=True)
                    answer = [chunk async for chunk in stream][-1]
                os.write(log, f"{answer.id}\n".encode())

        async def crowd() -> None:
            await asyncio.gather(*map(ask, range(AT_ONCE)))

        asyncio.run(crowd())

    def call_in_threads(self) -> None:
        """Make calls until killed, from several threads, and log each answer as it is handed out."""
        import meter

        metered = meter.Meter(ledger=self.ledger)
        log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

        def ask(number: int) -> None:
            while True:
                answer = metered.completion(**self.server.call, user=f"user{number}")
                os.write(log, f"{answer.id}\n".encode())

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def recover(self) -> None:
        """Run `meter ledger recover`, in this process because a new one takes longer to begin than to recover."""
        from meter.cli import main

        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
            main(["ledger", "recover", "--ledger", str(self.ledger)], standalone_mode=False)
