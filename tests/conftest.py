"""Fixtures that many tests share: a new ledger, the local model, a scripted server; and nothing of the user's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import platformdirs
import pytest
from hypothesis import settings

import meter
from meter.errors import LocalModelError
from meter.local import LocalModel, fetch
from tests.crashing import Answering
from tests.loopback import Loopback
from tests.nursery import Nursery

if TYPE_CHECKING:
    from collections.abc import Iterator

# the same examples every time where a change is judged; elsewhere new ones are tried. How long one takes says nothing
# on a shared machine
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("default", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "default")

CACHE = Path(os.environ.get("METER_TEST_CACHE") or platformdirs.user_cache_dir()).absolute()
"""Shared by all tests and runs, since the model is large; read before the environment is replaced."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin to make the environments of the hosts that the chosen tests need; the other tests go on beside it."""
    if session.config.option.collectonly:
        return
    marks = [mark for item in session.items for mark in item.iter_markers("host")]
    for host in dict.fromkeys(host for mark in marks for host in mark.args):
        host.begin()


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Point every folder of the user's into a new one, and hide the user's settings and keys; give that folder."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith("METER_") or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    for kind in ("DATA", "CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(home / kind.lower()))
    monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE))
    (home / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(home / "tmp"))
    if litellm := sys.modules.get("litellm"):
        # as where meter loads it first, which a command's process does: the order of the tests decides nothing
        litellm.suppress_debug_info = True
    yield home
    call = sys.modules.get("meter.call")
    if call and call._default.cache_info().currsize:
        # the Meter of the module's own verbs has opened a ledger in this home
        call._default().close()
        call._default.cache_clear()


@pytest.fixture
def fresh_db(tmp_path: Path) -> Path:
    """Return the path of a ledger that does not exist yet."""
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger_path(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name a ledger that does not exist yet, and its zone, to every command, and return its path."""
    monkeypatch.setenv("METER_LEDGER", str(fresh_db))
    monkeypatch.setenv("METER_TZ", "UTC")
    return fresh_db


@pytest.fixture
def beside_the_ledger(fresh_db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in the folder of the ledger: a file has its name alone there."""
    monkeypatch.chdir(fresh_db.parent)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(folder)]
    built = subprocess.run([*command, str(Path(__file__).parent.parent)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture
def metered(fresh_db: Path) -> Iterator[meter.Meter]:
    """Give a Meter on a new ledger."""
    made = meter.Meter(ledger=fresh_db)
    yield made
    made.close()


@pytest.fixture(scope="session")
def model_file() -> Path:
    """Return the local model's file, fetched once into the shared cache."""
    try:
        return fetch(folder=CACHE / "meter")
    except LocalModelError as error:
        missing(str(error))


@pytest.fixture(scope="session")
def local_model(model_file: Path) -> Iterator[LocalModel]:
    """Serve the real local model for the whole run."""
    try:
        local = LocalModel(model_file.parent).__enter__()
    except LocalModelError as error:
        missing(str(error))
    yield local
    local.stop()


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    """Serve scripted answers; fail if the server itself did."""
    with Loopback() as server:
        yield server
    assert not server.failures


@pytest.fixture(scope="session")
def answering() -> Iterator[Answering]:
    """Serve from a process of its own, with an id for each answer."""
    with Answering() as server:
        yield server


@pytest.fixture(scope="session")
def nursery(answering: Answering, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Keep a process that forks others, litellm loaded."""
    with Nursery(answering.call, tmp_path_factory.mktemp("nursery")) as made:
        yield made


def missing(what: str) -> NoReturn:
    """Skip a test that lacks something real; on the build server that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
