"""Place: where a ledger's file is, and whether it can be kept there."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from meter.address import SQLITE, is_url, masked
from meter.errors import LedgerUnavailable

NETWORK = frozenset(
    {
        *("9p", "afs", "beegfs", "ceph", "cifs", "drvfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4"),
        *("prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs"),
        *("fuse.davfs2", "fuse.gcsfuse", "fuse.glusterfs", "fuse.juicefs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"),
    }
)
"""File systems on which processes of several machines would not see each other's WAL index (shared memory)."""
VANISHING = frozenset({"overlay", "aufs", "tmpfs", "ramfs"})
"""File systems that end with their container or machine."""

_warned: set[Path] = set()


@dataclass(frozen=True, slots=True)
class Place:
    """The file of a ledger."""

    path: Path

    @property
    def exists(self) -> bool:
        """Whether there is a file; raise LedgerUnavailable where there can be none, or it may not be told."""
        return self._status(self.path) is not None

    @property
    def wal(self) -> Path:
        """Where what is not yet in the file itself stands."""
        return self.path.with_name(self.path.name + "-wal")

    def uri(self, mode: str) -> str:
        """Return the URI that SQLite opens the file by; any character may stand in the path."""
        return f"{self.path.as_uri()}?{mode}"

    def for_reading(self) -> str:
        """Return how a file that exists is opened without writing to it: `mode=ro`, or `immutable=1`.

        A reader of a WAL file makes an index beside it. Where the folder does not let it and nothing stands beside the
        file, the file is read as one that nobody changes.
        """
        self._check()
        if not self.exists:
            raise LedgerUnavailable(
                f"There is no ledger at {self.path} yet. meter makes it with the first call: "
                "use meter.completion in place of litellm.completion, or try `meter demo`."
            )
        if not _may(self.path, os.R_OK):
            raise LedgerUnavailable(f"The ledger {self.path} may not be read by this user; {_ask_for('read')}.")
        if self.wal.exists():
            self._refuse_network()
        elif not _may(self.path.parent, os.W_OK):
            return "immutable=1"
        return "mode=ro"

    def for_writing(self, *, create: bool) -> str:
        """Make the file, readable by its owner alone, where it does not exist, and return how it is opened."""
        self._check()
        if not self.exists:
            if not create:
                raise LedgerUnavailable(f"There is no ledger at {self.path}; check the path.")
            self._make()
        if not _may(self.path, os.W_OK) or not _may(self.path.parent, os.W_OK):
            raise LedgerUnavailable(
                f"The ledger {self.path} or its folder may not be written by this user; "
                f"{_ask_for('write')}, or name another one with METER_LEDGER or --ledger."
            )
        self._refuse_network()
        self._warn_of_vanishing()
        return "mode=rw"

    def _check(self) -> None:
        status = self._status(self.path)
        if status is not None and stat.S_ISDIR(status.st_mode):
            raise LedgerUnavailable(
                f"The ledger {self.path} is a folder; name a file in it, like {self.path / 'ledger.db'}."
            )
        if status is not None and not stat.S_ISREG(status.st_mode):
            raise LedgerUnavailable(f"The ledger {self.path} is no plain file; name another one.")
        self._status(self.wal)  # its name is the longer one

    def _status(self, path: Path) -> os.stat_result | None:
        """Return what the system says of a file of the ledger, None where it does not exist."""
        try:
            return path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or "its name is no text"
            raise LedgerUnavailable(
                f"The ledger {self.path} cannot be used ({why}); name another file with METER_LEDGER or --ledger."
            ) from error

    def _make(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):  # another process was first
                self._make_file()
        except OSError as error:
            raise LedgerUnavailable(
                f"The ledger {self.path} cannot be made ({error.strerror}); "
                "name a file that can with METER_LEDGER or --ledger."
            ) from error

    def _make_file(self) -> None:
        file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            if hasattr(os, "fchmod"):  # whatever the umask took away
                os.fchmod(file, 0o600)
        finally:
            os.close(file)

    def _refuse_network(self) -> None:
        kind = file_system(self.path)
        if kind in NETWORK:
            raise LedgerUnavailable(
                f"The ledger {self.path} is on a {kind} file system, where SQLite's WAL can lose rows. "
                "Name a file on a local disk with METER_LEDGER or --ledger."
            )

    def _warn_of_vanishing(self) -> None:
        kind = file_system(self.path)
        if kind in VANISHING and self.path not in _warned:
            _warned.add(self.path)
            import logging  # whoever reads only does without

            logging.getLogger("meter").warning(
                "The ledger %s is on a %s file system and will end with its container or machine; "
                "name a file on a volume that stays with METER_LEDGER.",
                self.path,
                kind,
            )


def place_of(url: str | os.PathLike[str]) -> Place:
    """Return the place that a path or a `sqlite:///` URL names; raise LedgerUnavailable for any other scheme."""
    text = os.fspath(url)
    path = text.removeprefix(SQLITE)
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", path)  # one letter is a drive
    if scheme and (is_url(path) or scheme[1].lower() in {"sqlite", "file"}):
        raise LedgerUnavailable(
            f'"{masked(text)}" names no ledger meter can open; give the path of a file, or {SQLITE}PATH for one.'
        )
    if not path or path == ":memory:" or "\0" in path:
        raise LedgerUnavailable(f"The ledger {masked(text)!r} is no path of a file; give one like ledger.db.")
    try:
        return Place(Path(path).expanduser().absolute())
    except (RuntimeError, OSError) as error:
        gone = "its home folder is not known" if isinstance(error, RuntimeError) else "the working folder is gone"
        raise LedgerUnavailable(f"The ledger {text} cannot be found: {gone}; give an absolute path.") from error


def file_system(path: Path, mounts: str = "/proc/self/mounts") -> str:
    """Return the type of the file system a path is on, empty where the system does not say."""
    try:
        lines = Path(mounts).read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    try:
        where = path.resolve()
    except (OSError, RuntimeError):
        where = path
    best, kind = -1, ""
    for line in lines:
        _, point, mounted, *_ = line.split(" ")
        # later mounts cover earlier ones at the same point
        folder = Path(re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), point))
        if len(folder.parts) >= best and where.is_relative_to(folder):
            best, kind = len(folder.parts), mounted
    return kind


def _may(path: Path, right: int) -> bool:
    """Tell whether the user that this process acts as has a right to a path."""
    return os.access(path, right, effective_ids=os.access in os.supports_effective_ids)


def _ask_for(what: str) -> str:
    return f"ask its owner for the right to {what} it"
