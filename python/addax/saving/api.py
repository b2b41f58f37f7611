"""`save_model`, `load_model`, `save_weights`, `load_weights`: from a path or file object to the other modules."""

from __future__ import annotations

import datetime
import io
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from addax.saving import archive, files
from addax.saving.hdf5 import WeightsReader, WeightsWriter
from addax.saving.registry import custom_object_scope
from addax.saving.serialization import (
    custom_objects_written,
    deserialize_keras_object,
    object_sharing_scope,
    serialize_keras_object,
)
from addax.saving.state import load_state, save_state
from addax.utils.budget import variable_budget

KERAS_VERSION = "3.15.1"  # the Keras whose format and names are written


class ModelFileNotFoundError(FileNotFoundError, ValueError):
    """The file to load does not exist. Also a ValueError, as in Keras."""


def save_model(model: Any, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
    """Saves a model, its weights, how it was compiled and its optimizer's state as a `.keras` file.

    The file appears whole or not at all: a failed save leaves an existing file as it was.

    Args:
        model: the model.
        filepath: a path ending in `.keras`, or a binary file object; a folder's path if `zipped` is False.
        overwrite: replace an existing file without asking. Otherwise the person at the terminal is asked, and without
            a terminal it is an error.
        zipped: write one zip file (the default), or a folder with the same members.
        **kwargs: `include_optimizer=False` leaves out the optimizer and its state.

    Raises:
        ValueError: wrong extension or unsupported argument.
        FileExistsError: the file exists and nobody can be asked.

    Example:
        >>> import addax, os, tempfile
        >>> model = addax.Sequential([addax.Input((3,)), addax.layers.Dense(2)])
        >>> path = os.path.join(tempfile.mkdtemp(), "model.keras")
        >>> addax.saving.save_model(model, path)
        >>> addax.saving.load_model(path).count_params()
        8
    """
    include_optimizer = kwargs.pop("include_optimizer", True)
    if kwargs.pop("save_format", "keras") not in (None, "keras"):
        raise ValueError("save_model: only the `.keras` format is written; leave out `save_format`.")
    if kwargs:
        raise ValueError(f"save_model: unsupported arguments {sorted(kwargs)}")
    documents, skip = _documents(model, include_optimizer)
    if not getattr(model, "built", True):
        warnings.warn(
            f"{model.name!r} is not built, so it may have no weights to save yet. Call it on data first.", stacklevel=3
        )
    if files.is_file_object(filepath):
        if zipped is False:
            raise ValueError("save_model: zipped=False needs the path of a folder, not a file object.")
        _write_model(filepath, documents, model, skip, None)
        return
    path = files.local_path(filepath)
    if zipped is False:
        if path.endswith(".keras"):
            raise ValueError(f"save_model: with zipped=False the path names a folder, without `.keras`; got {path!r}.")
    elif not path.endswith(".keras"):
        advice = "The HDF5 format (`.h5`) is not written. " if path.endswith((".h5", ".hdf5")) else ""
        raise ValueError(f"save_model: the file name must end in `.keras`; got {path!r}. {advice}")
    if not files.may_write(path, overwrite):
        return
    if zipped is False:
        with files.atomic_folder(path, expected=(*documents, archive.WEIGHTS)) as folder:
            archive.write_folder(folder, documents)
            with open(os.path.join(folder, archive.WEIGHTS), "w+b") as file:
                _write_weights(file, model, skip)
    else:
        with files.atomic_file(path) as file:
            _write_model(file, documents, model, skip, os.path.dirname(os.path.realpath(path)))


def _documents(model: Any, include_optimizer: bool = True) -> tuple[dict[str, dict], tuple]:
    """The text of the file, and what of the model's state is not to be in it."""
    with object_sharing_scope():
        config = serialize_keras_object(model)
    if not include_optimizer:
        config.get("compile_config", {}).pop("optimizer", None)
    metadata = {
        "keras_version": KERAS_VERSION,
        "date_saved": datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S"),
    }
    skip = () if include_optimizer else (getattr(model, "optimizer", None),)
    return {archive.METADATA: metadata, archive.CONFIG: config}, skip


def reduce_model(model: Any) -> tuple[Callable, tuple]:
    """What `__reduce__` of a model returns: the bytes of its `.keras` file, and its classes and functions by name.

    Those are pickled as Python does it, by the module they are in, and `copy.deepcopy` keeps them as they are.

    Raises:
        TypeError: an object of the model has no `get_config` method.
    """
    file = io.BytesIO()
    with custom_objects_written() as custom:
        documents, skip = _documents(model)
    _write_model(file, documents, model, skip, None)
    return _restore_model, (file.getvalue(), custom)


def _restore_model(data: bytes, custom_objects: dict[str, Any]) -> Any:
    return load_model(io.BytesIO(data), custom_objects)


def _write_model(file: IO[bytes], documents: dict[str, dict], model: Any, skip: tuple, folder: str | None) -> None:
    # HDF5 needs to seek while writing, so the weights pass through a nameless file beside the target.
    with tempfile.TemporaryFile(dir=folder) as weights:
        _write_weights(weights, model, skip)
        archive.write_zip(file, documents, weights)


def _write_weights(file: IO[bytes], model: Any, skip: tuple = ()) -> None:
    with WeightsWriter(file) as writer:
        save_state(model, writer, skip)


def load_model(
    filepath: Any, custom_objects: dict[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """Loads a model that was saved as a `.keras` file, by addax or by Keras 3.

    Loading never runs code from the file: names in it choose from a closed table and from the classes that you pass
    or registered, and nothing else. A stored lambda is an error whatever `safe_mode` says.

    Args:
        filepath: path of a `.keras` file or of a folder saved with `zipped=False`, or a binary file object.
        custom_objects: your classes and functions by the name that the file uses.
        compile: also restore optimizer, loss and metrics, if the model was compiled.
        safe_mode: accepted for compatibility; there is no unsafe mode.

    Returns:
        The model, with the weights and optimizer state of the file.

    Raises:
        ModelFileNotFoundError: no such file (a FileNotFoundError and a ValueError).
        ValueError: another format, damaged, refused for safety, or weights that do not fit.
        TypeError: an unknown class, or arguments that do not fit it.

    Example:
        >>> import addax, io
        >>> file = io.BytesIO()
        >>> addax.Sequential([addax.Input((3,)), addax.layers.Dense(2)]).save(file)
        >>> addax.saving.load_model(file).output_shape
        (None, 2)
    """
    with _open_archive(filepath) as members:
        version = str(members.read_json(archive.METADATA).get("keras_version"))
        config = members.read_json(archive.CONFIG)
        if not compile:
            config.pop("compile_config", None)
        with members.open(archive.WEIGHTS) as file, WeightsReader(file) as reader:
            try:
                with custom_object_scope(custom_objects), object_sharing_scope(), variable_budget(reader.elements):
                    model = deserialize_keras_object(config)
            except RecursionError as error:
                raise archive.ArchiveError("config.json: nested too deep to be a model.") from error
            except TypeError as error:
                error.add_note(f"The file was written by Keras {version}; addax follows Keras {KERAS_VERSION}.")
                raise
            if not hasattr(model, "load_own_variables"):
                raise archive.ArchiveError(f"config.json does not describe a model but {type(model).__name__}.")
            _load(model, reader)
    return model


@contextmanager
def _open_archive(filepath: Any) -> Iterator[archive.ZipArchive | archive.FolderArchive]:
    if files.is_file_object(filepath):
        yield archive.ZipArchive(filepath, "file object")
        return
    path = files.local_path(filepath)
    if os.path.isdir(path):
        yield archive.FolderArchive(path)
        return
    if not os.path.exists(path):
        raise ModelFileNotFoundError(f"load_model: no such file: {path!r}")
    if path.endswith((".h5", ".hdf5")):
        raise ValueError(
            f"load_model: {path!r} is not a `.keras` file. Load whole models saved as HDF5 in Keras 3 and save them as "
            "`.keras`; load weights alone with model.load_weights()."
        )
    with open(path, "rb") as file:
        yield archive.ZipArchive(file, repr(path))


def save_weights(
    model: Any, filepath: Any, overwrite: bool = True, max_shard_size: float | None = None, **kwargs: Any
) -> None:
    """Saves the weights of a model (and its optimizer's state, if compiled) as a `.weights.h5` file.

    Args:
        model: the model.
        filepath: a path ending in `.weights.h5`, or a binary file object; with `max_shard_size` a path ending in
            `.weights.json`, with the shards beside it.
        overwrite: as in `save_model`.
        max_shard_size: largest size of one file in GiB; several files if the weights are larger.
        **kwargs: none is supported.

    Raises:
        ValueError: wrong extension or unsupported argument.
        FileExistsError: the file exists and nobody can be asked.

    Example:
        >>> import addax, os, tempfile
        >>> model = addax.Sequential([addax.Input((3,)), addax.layers.Dense(2)])
        >>> path = os.path.join(tempfile.mkdtemp(), "model.weights.h5")
        >>> addax.saving.save_weights(model, path)
        >>> addax.saving.load_weights(model, path)
    """
    if kwargs:
        raise ValueError(f"save_weights: unsupported arguments {sorted(kwargs)}")
    if files.is_file_object(filepath):
        if max_shard_size is not None:
            raise ValueError("save_weights: max_shard_size needs a path, not a file object.")
        # HDF5 reads back what it wrote, which a plain output stream cannot do.
        with tempfile.TemporaryFile() as weights:
            _write_weights(weights, model)
            weights.seek(0)
            while chunk := weights.read(1 << 20):
                filepath.write(chunk)
        return
    path = files.local_path(filepath)
    if max_shard_size is not None:
        from addax.saving import sharding

        path = sharding.index_path(path)
        if files.may_write(path, overwrite):
            sharding.write(model, path, max_shard_size)
        return
    if not path.endswith(".weights.h5"):
        raise ValueError(f"save_weights: the file name must end in `.weights.h5`; got {path!r}.")
    if files.may_write(path, overwrite):
        with files.atomic_file(path) as file:
            _write_weights(file, model)


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
    """Loads weights (and optimizer state, if the model is compiled) into a built model.

    Everything is compared before anything is changed: weights that do not fit leave the model as it was.

    Args:
        model: the model, with the layers of the one that was saved.
        filepath: a `.weights.h5`, `.weights.json` (sharded) or `.keras` file, or a binary file object.
        skip_mismatch: warn about layers that do not fit and leave them as they are, instead of an error.
        **kwargs: none is supported.

    Raises:
        ModelFileNotFoundError: no such file (a FileNotFoundError and a ValueError).
        ValueError: the model is not built, the file is damaged, or weights do not fit.

    Example:
        >>> import addax, io
        >>> model = addax.Sequential([addax.Input((3,)), addax.layers.Dense(2)])
        >>> file = io.BytesIO()
        >>> model.save_weights(file)
        >>> model.load_weights(file)
    """
    if kwargs:
        raise ValueError(f"load_weights: unsupported arguments {sorted(kwargs)}")
    if not getattr(model, "built", True):
        raise ValueError(
            f"load_weights: {model.name!r} is not built, so its weights have no shapes yet. Call it on data or use "
            "build() first."
        )
    if files.is_file_object(filepath):
        zipped = filepath.seek(0) == 0 and filepath.read(2) == b"PK"
        file = archive.ZipArchive(filepath, "file object").open(archive.WEIGHTS) if zipped else filepath
        source: Any = WeightsReader(file)
    else:
        source = _open_weights(files.local_path(filepath))
    with source as reader:
        _load(model, reader, skip_mismatch)


@contextmanager
def _open_weights(path: str) -> Iterator[Any]:
    if not os.path.exists(path):
        raise ModelFileNotFoundError(f"load_weights: no such file: {path!r}")
    if path.endswith(".weights.json"):
        from addax.saving import sharding

        with sharding.ShardedReader(path) as reader:
            yield reader
    elif path.endswith(".weights.h5"):
        with open(path, "rb") as file, WeightsReader(file) as reader:
            yield reader
    elif path.endswith(".keras") or os.path.isdir(path):
        with _open_archive(path) as members, members.open(archive.WEIGHTS) as weights, WeightsReader(weights) as reader:
            yield reader
    else:
        raise ValueError(f"load_weights: expected a `.weights.h5`, `.weights.json` or `.keras` file; got {path!r}.")


def _load(model: Any, reader: Any, skip_mismatch: bool = False) -> None:
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built and len(reader.variables("optimizer")) > 2:
        optimizer.build(model.trainable_variables)
    load_state(model, reader, skip_mismatch)
