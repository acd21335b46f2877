"""The hold of a call in flight: its columns, and when its process has certainly ended."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from meter import hold as module
from meter.hold import COLUMNS, OWNER_COLUMNS, Hold, Owner, is_gone, started, this_host, this_process
from tests.made import hold

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system shows no processes in /proc")


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that ends when its input does."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()  # from here on it has its own name
        yield process


def owned(pid: int) -> Hold:
    return hold(owner=replace(this_process(), pid=pid, process_start=started(pid)))


def test_every_field_has_a_column() -> None:
    assert set(COLUMNS) == {field.name for field in fields(Hold)} - {"owner"}
    assert set(OWNER_COLUMNS) == {field.name for field in fields(Owner)}
    assert not set(COLUMNS) & set(OWNER_COLUMNS)


@needs_proc
class TestGone:
    def test_our_own_process_is_not(self) -> None:
        assert not is_gone(hold())

    def test_a_running_process_is_not(self, child: subprocess.Popen[bytes]) -> None:
        assert not is_gone(owned(child.pid))

    def test_a_process_that_ended_is(self, child: subprocess.Popen[bytes]) -> None:
        held = owned(child.pid)
        child.communicate()
        assert is_gone(held)

    def test_a_process_that_was_killed_is_before_its_parent_notices(self, child: subprocess.Popen[bytes]) -> None:
        held = owned(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays in the list of processes
        assert is_gone(held)

    def test_another_process_under_the_same_number_is_not_the_owner(self, child: subprocess.Popen[bytes]) -> None:
        held = owned(child.pid)
        assert is_gone(replace(held, owner=replace(held.owner, process_start=held.owner.process_start - 1)))

    def test_a_process_of_an_earlier_boot_is(self) -> None:
        assert is_gone(hold(owner=replace(this_process(), boot="00000000-0000-0000-0000-000000000000")))

    @pytest.mark.parametrize("host", ["another", ""])
    def test_a_process_of_another_machine_cannot_be_told(self, host: str) -> None:
        """Its boot and its pid are its own machine's, whatever runs under that number here."""
        owner = replace(this_process(), boot="00000000-0000-0000-0000-000000000000", pid=2**22 + 1, process_start=1)
        assert is_gone(hold(owner=owner))
        assert not is_gone(hold(owner=owner, host=host))

    @pytest.mark.parametrize(
        "unknown", [{"boot": ""}, {"pid_namespace": "pid:[1]"}, {"pid_namespace": ""}, {"process_start": 0}]
    )
    def test_what_is_not_known_cannot_be_told(self, unknown: dict[str, object]) -> None:
        owner = replace(this_process(), pid=2**22 + 1, process_start=1)
        assert is_gone(hold(owner=owner))
        assert not is_gone(hold(owner=replace(owner, **unknown)))  # type: ignore[arg-type]  # as Owner has them

    def test_a_process_that_is_hidden_from_us_is_running(
        self, child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A /proc mounted with hidepid shows nothing of other users' processes."""
        held = owned(child.pid)
        here = this_process()
        read = module._read
        monkeypatch.setattr(module, "_read", lambda path: "" if path == f"/proc/{child.pid}/stat" else read(path))
        assert started(child.pid) == 0
        assert here == this_process()
        assert not is_gone(held)
        child.communicate()
        assert is_gone(held)


@needs_proc
class TestOwner:
    def test_it_names_this_process(self) -> None:
        owner = this_process()
        assert owner.pid == os.getpid()
        assert owner.boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert owner.pid_namespace == str(Path("/proc/self/ns/pid").readlink())
        assert owner.process_start > 0

    def test_a_command_with_brackets_and_spaces_in_its_name_has_a_start(self, tmp_path: Path) -> None:
        odd = tmp_path / "a) R 1 (b"
        odd.symlink_to("/bin/cat")
        with subprocess.Popen([odd], stdin=subprocess.PIPE) as process:
            # the name shows once the process runs its own program
            while odd.name not in (stat := Path(f"/proc/{process.pid}/stat").read_text()):
                os.sched_yield()
            assert started(process.pid) == int(stat.rpartition(")")[2].split()[19]) > 0

    def test_a_child_is_another_owner(self) -> None:
        script = "from meter.hold import this_process; print(this_process().pid, this_process().process_start)"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert int(done.stdout.split()[0]) != this_process().pid


def test_the_host_is_the_machines_name() -> None:
    assert this_host() == os.uname().nodename
