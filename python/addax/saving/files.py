"""Writing files so that a crash leaves the old one: a temporary name, sync, rename. What is written is elsewhere."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any


def is_file_object(target: Any) -> bool:
    """Tells a binary file object from a path."""
    return not isinstance(target, (str, bytes, os.PathLike)) and (hasattr(target, "read") or hasattr(target, "write"))


def local_path(filepath: Any) -> str:
    """Returns a path as text; refuses what only looks like one (`gs://...`), because addax opens local files only."""
    path = os.fsdecode(os.fspath(filepath))
    scheme, separator, _ = path.partition("://")
    if separator and scheme.isalnum():
        raise ValueError(f"{path!r} is a remote path; addax reads and writes local files. Copy the file first.")
    return path


def may_write(path: str, overwrite: bool) -> bool:
    """Decides about an existing file: overwrite, ask the person at the terminal, or refuse.

    Returns:
        False when the person said no.

    Raises:
        FileExistsError: the file exists, `overwrite` is False and nobody can be asked.
    """
    if overwrite or not os.path.lexists(path):
        return True
    if not (sys.stdin and sys.stdin.isatty()) and "ipykernel" not in sys.modules:
        raise FileExistsError(f"{path!r} exists. Pass overwrite=True, or choose another name.")
    answer = input(f"[WARNING] {path} already exists - overwrite? [y/n]").strip().lower()
    while answer not in ("y", "n"):
        answer = input('Enter "y" (overwrite) or "n" (cancel).').strip().lower()
    return answer == "y"


@contextmanager
def atomic_file(path: str) -> Iterator[IO[bytes]]:
    """Opens a binary file, readable and writable, that becomes `path` when the block ends without an error.

    The data is on disk before the name changes, so after a crash `path` is the old file or the whole new one. On an
    error the temporary file is removed and `path` stays as it was.
    """
    path = _target(path)
    mode = None
    if os.path.exists(path):
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path!r} is not a regular file, so it cannot be replaced by a saved one.")
        if not os.access(path, os.W_OK):
            raise PermissionError(f"{path!r} is read-only.")
        mode = stat.S_IMODE(status.st_mode)
    temporary = _temporary_name(path)
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with open(descriptor, "w+b") as file:
            if mode is not None:
                os.chmod(temporary, mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_folder(os.path.dirname(path))


@contextmanager
def atomic_folder(path: str, expected: tuple[str, ...]) -> Iterator[str]:
    """Yields a new folder that becomes `path` when the block ends without an error; see `atomic_file`.

    Only a folder that holds nothing but files with `expected` names is replaced. That takes two renames: a crash
    between them leaves the old one under a `.old` name beside `path`.
    """
    path = _target(path)
    if os.path.exists(path):
        if not os.path.isdir(path):
            raise OSError(f"{path!r} exists and is not a folder.")
        others = sorted(set(os.listdir(path)) - set(expected))
        if others:
            raise FileExistsError(f"{path!r} also holds {others[0]!r}; only the folder of a saved model is replaced.")
    temporary = _temporary_name(path)
    os.mkdir(temporary)
    try:
        yield temporary
        for name in os.listdir(temporary):
            with open(os.path.join(temporary, name), "rb") as file:
                os.fsync(file.fileno())
        _sync_folder(temporary)
        if os.path.isdir(path):
            old = temporary.removesuffix(".tmp") + ".old"
            os.rename(path, old)
            os.rename(temporary, path)
            shutil.rmtree(old)
        else:
            os.rename(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync_folder(os.path.dirname(path))


def _target(path: str) -> str:
    path = os.path.realpath(path)  # a link keeps pointing to what it points to
    if not os.path.isdir(os.path.dirname(path)):
        raise FileNotFoundError(f"cannot write {path!r}: the folder {os.path.dirname(path)!r} does not exist.")
    return path


def _temporary_name(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.{secrets.token_hex(4)}.tmp")


def _sync_folder(folder: str) -> None:
    if os.name == "nt":  # folders cannot be opened there; the rename itself is journaled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
