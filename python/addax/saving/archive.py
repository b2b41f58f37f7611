"""The `.keras` container: a zip (or a folder) with metadata.json, config.json and model.weights.h5.

A zip is never extracted: members are read in place, after names, sizes and checksums were checked. What the members
mean is in `api.py`.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import zipfile
import zlib
from typing import IO, Any

METADATA, CONFIG, WEIGHTS = "metadata.json", "config.json", "model.weights.h5"

_MAX_MEMBERS = 10_000
MAX_JSON_BYTES = 64 << 20
_FREE_BYTES = 256 << 20  # below this size a member may be compressed as much as it likes
_MAX_RATIO = 100  # above it, stored bytes times this bound the size; weights hardly compress
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")


class ArchiveError(ValueError):
    """A `.keras` file that is damaged or built to do harm; the message says what is wrong."""


def parse_json(data: bytes, name: str) -> dict:
    """Returns the object in a JSON text; refuses repeated keys, because readers disagree about which one counts."""

    def unique(pairs: list[tuple[str, Any]]) -> dict:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise ArchiveError(f"{name}: a key occurs twice in one object.")
        return result

    try:
        value = json.loads(data, object_pairs_hook=unique)
    except RecursionError as error:
        raise ArchiveError(f"{name}: nested too deep to be a model.") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ArchiveError(f"{name}: not valid JSON ({error}).") from error
    if not isinstance(value, dict):
        raise ArchiveError(f"{name}: expected a JSON object, got {type(value).__name__}.")
    return value


class ZipArchive:
    """Reads the members of a `.keras` zip in place.

    Args:
        file: a seekable binary file object.
        label: what to call the file in errors.

    Raises:
        ArchiveError: not a zip, or member names, sizes or flags that no saved model has.
    """

    def __init__(self, file: IO[bytes], label: str):
        self._file, self._label = file, label
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError, struct.error, EOFError, NotImplementedError) as error:
            raise ArchiveError(
                f"{label}: not a complete .keras file ({error}). It may be truncated, or be another format."
            ) from error
        self._members: dict[str, zipfile.ZipInfo] = {}
        infos = self._zip.infolist()
        if len(infos) > _MAX_MEMBERS:
            raise ArchiveError(f"{label}: {len(infos)} members; at most {_MAX_MEMBERS} are accepted.")
        for info in infos:
            self._check_member(info)
            self._members[info.filename] = info

    def _check_member(self, info: zipfile.ZipInfo) -> None:
        name, label = info.filename, self._label
        parts = name.removesuffix("/").split("/")
        # orig_filename still has what zipfile cut off or replaced, such as text after a zero byte.
        if info.orig_filename != name or "\\" in name or ":" in parts[0] or any(p in ("", ".", "..") for p in parts):
            raise ArchiveError(f"{label}: unsafe member name {info.orig_filename!r}.")
        if name in self._members:
            raise ArchiveError(f"{label}: member {name!r} occurs twice.")
        if info.flag_bits & 0x1:
            raise ArchiveError(f"{label}: member {name!r} is encrypted.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArchiveError(f"{label}: member {name!r} uses an unknown compression.")
        if info.file_size > max(_FREE_BYTES, _MAX_RATIO * info.compress_size):
            raise ArchiveError(
                f"{label}: member {name!r} would grow from {info.compress_size} to {info.file_size} bytes."
            )

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def read_json(self, name: str) -> dict:
        """Returns a JSON member as a dict."""
        info = self._info(name)
        if info.file_size > MAX_JSON_BYTES:
            raise ArchiveError(f"{self._label}: {name} has {info.file_size} bytes; at most {MAX_JSON_BYTES} are read.")
        return parse_json(self._read(info), f"{self._label}: {name}")

    def open(self, name: str) -> IO[bytes]:
        """Returns a seekable, read-only file object over a member, its checksum checked.

        A stored member (what Keras writes) is a window on the zip itself, without a copy in memory.
        """
        info = self._info(name)
        if info.compress_type != zipfile.ZIP_STORED:
            return io.BytesIO(self._read(info))
        window = _Window(self._file, self._data_offset(info), info.file_size)
        checksum = 0
        while chunk := window.read(1 << 20):
            checksum = zlib.crc32(chunk, checksum)
        if window.tell() != info.file_size or checksum != info.CRC:
            raise ArchiveError(f"{self._label}: member {name!r} is damaged (its checksum does not match).")
        window.seek(0)
        return io.BufferedReader(window)

    def _info(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            raise ArchiveError(f"{self._label}: has no {name}, so it is not a saved Keras model.")
        return self._members[name]

    def _read(self, info: zipfile.ZipInfo) -> bytes:
        try:
            with self._zip.open(info) as member:
                data = member.read(info.file_size + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, struct.error) as error:
            raise ArchiveError(f"{self._label}: member {info.filename!r} is damaged ({error}).") from error
        if len(data) != info.file_size:
            raise ArchiveError(f"{self._label}: member {info.filename!r} does not have the size it declares.")
        return data

    def _data_offset(self, info: zipfile.ZipInfo) -> int:
        self._file.seek(info.header_offset)
        header = self._file.read(_LOCAL_HEADER.size)
        if len(header) != _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
            raise ArchiveError(f"{self._label}: the entry of member {info.filename!r} is damaged.")
        *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        if self._file.read(name_length) != info.filename.encode("utf-8"):
            raise ArchiveError(f"{self._label}: member {info.filename!r} has another name in its own header.")
        return info.header_offset + _LOCAL_HEADER.size + name_length + extra_length


class FolderArchive:
    """The same members as files in a folder (`save_model(..., zipped=False)`)."""

    def __init__(self, path: str):
        self._path = path

    def __contains__(self, name: str) -> bool:
        return os.path.isfile(os.path.join(self._path, name))

    def read_json(self, name: str) -> dict:
        """Returns a JSON file as a dict."""
        with self.open(name) as file:
            data = file.read(MAX_JSON_BYTES + 1)
        if len(data) > MAX_JSON_BYTES:
            raise ArchiveError(f"{self._path}: {name} is larger than {MAX_JSON_BYTES} bytes.")
        return parse_json(data, f"{self._path}: {name}")

    def open(self, name: str) -> IO[bytes]:
        """Returns a read-only file object; refuses a symbolic link."""
        path = os.path.join(self._path, name)
        if os.path.islink(path):
            raise ArchiveError(f"{path!r} is a symbolic link; addax follows none inside a saved model.")
        if not os.path.isfile(path):
            raise ArchiveError(f"{self._path}: has no {name}, so it is not a saved Keras model.")
        return open(path, "rb")


class _Window(io.RawIOBase):
    """A read-only part of another file."""

    def __init__(self, file: IO[bytes], start: int, size: int):
        self._file, self._start, self._size, self._position = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"seek to {base + offset}, before the start of the member")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self._size - self._position))
        self._file.seek(self._start + self._position)
        data = self._file.read(count)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


def write_zip(file: IO[bytes], documents: dict[str, dict], weights: IO[bytes]) -> None:
    """Writes a `.keras` zip: the JSON documents by member name, then the weights. Members are stored, not compressed.

    Member times are fixed, so the same model gives the same bytes (but for `date_saved` in the metadata).
    """
    with zipfile.ZipFile(file, "w") as archive:
        for name, document in documents.items():
            archive.writestr(_member(name), json.dumps(document))
        size = weights.seek(0, io.SEEK_END)
        weights.seek(0)
        with archive.open(_member(WEIGHTS, size), "w", force_zip64=size >= (1 << 31)) as member:
            shutil.copyfileobj(weights, member, 1 << 20)


def write_folder(folder: str, documents: dict[str, dict]) -> None:
    """Writes the JSON documents of a model as files."""
    for name, document in documents.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump(document, file)


def _member(name: str, size: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.external_attr = 0o600 << 16
    info.file_size = size
    return info
