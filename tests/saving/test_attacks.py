"""Files built to do harm, and damaged files: each is refused with a clear error, before memory is allocated.

Every attack starts from a good file, so that the test fails if the file is refused for another reason.
"""

import io
import json
import os
import random
import resource
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import addax

Config = dict[str, Any]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    model = addax.Sequential([addax.Input((4,)), addax.layers.Dense(3, name="first"), addax.layers.Dense(2)])
    model.compile("adam", "mse")
    model.save(tmp_path / "good.keras")
    addax.saving.load_model(tmp_path / "good.keras")
    return tmp_path / "good.keras"


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(path: Path, **changed: bytes) -> Path:
    """A copy of the file with other contents: `config=b"..."` replaces config.json, `weights=` the HDF5 member."""
    contents = members(path)
    for key, data in changed.items():
        contents[{"config": "config.json", "weights": "model.weights.h5", "metadata": "metadata.json"}[key]] = data
    target = path.with_name("bad.keras")
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return target


def with_config(path: Path, change: Callable[[Config], Any]) -> Path:
    config = json.loads(members(path)["config.json"])
    change(config)
    return rewritten(path, config=json.dumps(config).encode())


def first_layer(config: Config) -> Config:
    return config["config"]["layers"][1]


# ---- names in the config


class Trap:
    """Stands for code that a file must not reach; any use of it fails the test."""

    def __init__(self, *arguments: Any, **options: Any):
        raise AssertionError("code named by a file was run")

    from_config = __init__


@pytest.mark.parametrize(
    ("module", "class_name", "config"),
    [
        ("os", "system", {"command": "touch owned"}),
        ("builtins", "eval", {"source": "1"}),
        ("builtins", "exec", {}),
        ("subprocess", "Popen", {"args": ["true"]}),
        ("tests.saving.test_attacks", "Trap", {}),
        ("addax.saving.files", "atomic_file", {}),
        ("keras.utils", "get_file", {"origin": "http://localhost/x"}),
        ("keras.config", "enable_unsafe_deserialization", {}),
        ("keras.layers", "TFSMLayer", {"filepath": "/tmp/model"}),
        ("keras.layers", "TorchModuleWrapper", {"module": "gASVAAA="}),
        ("keras.src.saving.saving_lib", "load_model", {"filepath": "/tmp/m"}),
        ("keras.layers", "__class__", {}),
        (None, "Dense", {"units": 3}),
    ],
)
def test_unknown_class_is_not_imported(saved: Path, module: str | None, class_name: str, config: Config) -> None:
    def change(model: Config) -> None:
        layer = {"module": module, "class_name": class_name, "config": {"name": "evil", **config}}
        model["config"]["layers"][1] = {**layer, "registered_name": class_name}

    before = set(sys.modules)
    with pytest.raises(TypeError, match="unknown class") as error:
        addax.saving.load_model(with_config(saved, change))
    assert class_name in str(error.value)
    assert "'evil'" in str(error.value)
    assert "custom_objects" in str(error.value)
    assert not {name for name in set(sys.modules) - before if not name.startswith(("addax", "encodings"))}


def test_unknown_module_is_never_imported(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "payload.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    bad = with_config(saved, lambda c: first_layer(c).update(module="payload", class_name="Layer", registered_name="L"))
    with pytest.raises(TypeError, match=r"payload\.Layer"):
        addax.saving.load_model(bad, safe_mode=False)
    assert "payload" not in sys.modules


@pytest.mark.parametrize("name", ["system", "eval", "getattr", "load_model", "__import__", "add", 3, None])
def test_unknown_function(saved: Path, name: Any) -> None:
    function = {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
    bad = with_config(saved, lambda c: first_layer(c)["config"].update(activation=function))
    with pytest.raises(TypeError, match=r"Sequential 'sequential.* > Dense 'first': unknown function"):
        addax.saving.load_model(bad)


@pytest.mark.parametrize("safe_mode", [True, False])
def test_lambda_bytecode_is_never_run(saved: Path, safe_mode: bool) -> None:
    value = {"class_name": "__lambda__", "config": {"value": ["4wAAAA==", None, None]}}
    bad = with_config(saved, lambda c: first_layer(c)["config"].update(activation=value))
    with pytest.raises((TypeError, ValueError), match="never runs code from a file"):
        addax.saving.load_model(bad, safe_mode=safe_mode)


def test_a_function_is_no_class_and_a_class_no_function(saved: Path) -> None:
    bad = with_config(saved, lambda c: first_layer(c).update(module="keras.activations", class_name="relu"))
    with pytest.raises(TypeError, match="unknown class"):
        addax.saving.load_model(bad)
    function = {"module": "builtins", "class_name": "function", "config": "Trap", "registered_name": "function"}
    bad = with_config(saved, lambda c: first_layer(c)["config"].update(activation=function))
    with pytest.raises(TypeError, match="unknown function"):
        addax.saving.load_model(bad, custom_objects={"Trap": Trap})


def test_paths_in_a_config_are_not_opened(saved: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # opening it would block
    bad = with_config(saved, lambda c: first_layer(c)["config"].update(vocabulary=str(pipe)))
    with pytest.raises(TypeError, match="does not know"):
        addax.saving.load_model(bad)


def test_unknown_arguments_at_default_like_values_are_ignored(saved: Path) -> None:
    good = with_config(saved, lambda c: first_layer(c)["config"].update(novelty=None, other=False, list=[]))
    with pytest.warns(UserWarning, match="Dense 'first': ignored unknown arguments.*novelty"):
        addax.saving.load_model(good)
    bad = with_config(saved, lambda c: first_layer(c)["config"].update(novelty="on"))
    with pytest.raises(TypeError, match=r"Dense 'first'.*novelty"):
        addax.saving.load_model(bad)


# ---- sizes and shapes in the config


def test_config_cannot_ask_for_more_memory_than_the_file_holds(saved: Path) -> None:
    bad = with_config(saved, lambda c: first_layer(c)["config"].update(units=10**11))
    with pytest.raises(TypeError, match=r"asks for more than the weights in the file hold"):
        addax.saving.load_model(bad)


def test_array_in_a_config_is_made_of_numbers(saved: Path) -> None:
    for dtype in ("object", "O", "S10", "datetime64[s]", "V4"):
        value = {"class_name": "__numpy__", "config": {"value": [1], "dtype": dtype}}
        bad = with_config(saved, lambda c, v=value: first_layer(c)["config"].update(kernel_initializer=v))
        with pytest.raises(TypeError, match="not a numeric dtype"):
            addax.saving.load_model(bad)


def test_deep_nesting(saved: Path) -> None:
    deep = b'{"class_name": "Sequential", "module": "keras", "config": {"layers": ' + b"[" * 100_000 + b"]" * 100_000
    with pytest.raises(ValueError, match="nested too deep"):
        addax.saving.load_model(rewritten(saved, config=deep + b"}}"))
    config: Any = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 1}, "registered_name": None}
    for _ in range(100):
        config = {"module": "keras", "class_name": "Sequential", "config": {"layers": [config]}}
    with pytest.raises(TypeError, match="nested more than"):
        addax.saving.load_model(rewritten(saved, config=json.dumps(config).encode()))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[]", "expected a JSON object, got list"),
        (b'{"class_name": "Sequential", "class_name": "os"}', "occurs twice"),
        (b'{"module": "keras", "class_name": 3, "config": {}}', "class_name must be a string"),
        (b'{"module": "keras", "class_name": "Sequential", "config": 3}', "must be a dict"),
        (b'{"module": "keras", "class_name": "Sequential", "config": {"layers": 3}}', "cannot be rebuilt"),
        (b'{"a": 1}', "does not describe a model"),
    ],
)
def test_malformed_config(saved: Path, config: bytes, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        addax.saving.load_model(rewritten(saved, config=config))


# ---- the zip


def zip_of(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    target = path.with_name("bad.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns about the repeated name that is wanted here
        with zipfile.ZipFile(target, "w", compression) as archive:
            for name, data in (*members(path).items(), *entries):
                archive.writestr(name, data)
    return target


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "a/../../evil", "a\\..\\evil", "C:/evil", "./a", "a//b", "..", "assets/../../x"]
)
def test_member_names_that_leave_the_archive(saved: Path, name: str) -> None:
    with pytest.raises(ValueError, match="unsafe member name"):
        addax.saving.load_model(zip_of(saved, (name, b"x")))
    assert sorted(os.listdir(saved.parent)) == ["bad.keras", "good.keras"]


def test_member_name_cut_by_a_zero_byte(saved: Path) -> None:
    bad = zip_of(saved, ("assets/x", b"x"))
    bad.write_bytes(bad.read_bytes().replace(b"assets/x", b"assets\0x"))
    with pytest.raises(ValueError, match="unsafe member name"):
        addax.saving.load_model(bad)


def test_members_that_occur_twice(saved: Path) -> None:
    with pytest.raises(ValueError, match=r"'config\.json' occurs twice"):
        addax.saving.load_model(zip_of(saved, ("config.json", b"{}")))


def test_zip_bomb(saved: Path) -> None:
    target = saved.with_name("bad.keras")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("config.json", "w") as member:
        for _ in range(300):
            member.write(bytes(1 << 20))
    with pytest.raises(ValueError, match="would grow from"):
        addax.saving.load_model(target)


def test_declared_size_too_small(saved: Path) -> None:
    """A member that yields more than its declared size is not read to its end."""
    contents = members(saved)
    target = saved.with_name("bad.keras")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    raw = target.read_bytes()
    size = len(contents["config.json"]).to_bytes(4, "little")
    assert raw.count(size) == 2
    target.write_bytes(raw.replace(size, (100).to_bytes(4, "little")))
    with pytest.raises(ValueError, match=r"config\.json.*(damaged|size)"):
        addax.saving.load_model(target)


def test_compressed_members_are_read(saved: Path) -> None:
    target = saved.with_name("compressed.keras")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members(saved).items():
            archive.writestr(name, data)
    addax.saving.load_model(target)


def test_encrypted_or_oddly_compressed_members(saved: Path) -> None:
    with pytest.raises(ValueError, match="unknown compression"):
        addax.saving.load_model(zip_of(saved, ("a", b"x"), compression=zipfile.ZIP_LZMA))
    bad = zip_of(saved, ("a", b"x"))
    raw = bytearray(bad.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.rindex(signature) + offset] |= 1
    bad.write_bytes(raw)
    with pytest.raises(ValueError, match="encrypted"):
        addax.saving.load_model(bad)


def test_huge_json(saved: Path) -> None:
    spaces = b" " * (65 << 20)
    with pytest.raises(ValueError, match=r"config\.json has .* bytes; at most"):
        addax.saving.load_model(rewritten(saved, config=spaces))


@pytest.mark.parametrize("name", ["metadata.json", "config.json", "model.weights.h5"])
def test_missing_member(saved: Path, name: str) -> None:
    target = saved.with_name("bad.keras")
    with zipfile.ZipFile(target, "w") as archive:
        for member, data in members(saved).items():
            if member != name:
                archive.writestr(member, data)
    with pytest.raises(ValueError, match=f"has no {name}"):
        addax.saving.load_model(target)


def test_flipped_bit_in_the_weights(saved: Path) -> None:
    raw = bytearray(saved.read_bytes())
    raw[raw.index(b"\x89HDF") + 3000] ^= 1
    bad = saved.with_name("bad.keras")
    bad.write_bytes(raw)
    with pytest.raises(ValueError, match="checksum"):
        addax.saving.load_model(bad)


def test_truncated_at_any_length(saved: Path) -> None:
    raw = saved.read_bytes()
    bad = saved.with_name("bad.keras")
    for length in range(0, len(raw), max(1, len(raw) // 60)):
        bad.write_bytes(raw[:length])
        with pytest.raises(ValueError, match="not a complete"):
            addax.saving.load_model(bad)


def test_links_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    addax.Sequential([addax.Input((4,)), addax.layers.Dense(3)]).save(tmp_path / "m", zipped=False)
    (tmp_path / "m" / "config.json").rename(tmp_path / "elsewhere.json")
    (tmp_path / "m" / "config.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(ValueError, match="symbolic link"):
        addax.saving.load_model(tmp_path / "m")


# ---- HDF5


def dense_weights(change: Callable[[h5py.File], Any]) -> io.BytesIO:
    """A good weights file of the model `target`, after a change."""
    file = io.BytesIO()
    target().save_weights(file)
    with h5py.File(file, "r+") as stored:
        change(stored)
    return file


def target() -> Any:
    return addax.Sequential([addax.Input((4,)), addax.layers.Dense(3)])


KERNEL = "layers/dense/vars/0"


def replaced(**options: Any) -> Callable[[h5py.File], Any]:
    def change(file: h5py.File) -> None:
        del file[KERNEL]
        file.create_dataset(KERNEL, **options)

    return change


def linked(link: Any) -> Callable[[h5py.File], Any]:
    def change(file: h5py.File) -> None:
        del file[KERNEL]
        file[KERNEL] = link

    return change


def virtual(file: h5py.File) -> None:
    del file[KERNEL]
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", shape=(4, 3))
    file.create_virtual_dataset(KERNEL, layout)


HDF5_ATTACKS: dict[str, tuple[Callable[[h5py.File], Any], str]] = {
    "soft link": (linked(h5py.SoftLink("/layers/dense/vars/1")), "a soft link"),
    "external link": (linked(h5py.ExternalLink("/etc/hostname", "/x")), "an external link"),
    "soft link to a group": (lambda f: f.__setitem__("more", h5py.SoftLink("/layers")), "a soft link"),
    "group loop": (lambda f: f["layers/dense"].__setitem__("up", f["/"]), "a loop"),
    "second hard link": (lambda f: f.__setitem__("copy", f[KERNEL]), "second name"),
    "virtual dataset": (virtual, "another file"),
    "external storage": (replaced(shape=(4, 3), dtype="f4", external=[("/etc/hostname", 0, 48)]), "another file"),
    "compressed": (replaced(data=np.zeros((4, 3), "f4"), compression="gzip"), "chunked or compressed"),
    "strings": (replaced(data=["a"], dtype=h5py.string_dtype()), "plain numbers"),
    "variable length": (replaced(shape=(4, 3), dtype=h5py.vlen_dtype("f4")), "plain numbers"),
    "references": (replaced(shape=(4, 3), dtype=h5py.ref_dtype), "plain numbers"),
    "compound": (replaced(shape=(4, 3), dtype=[("a", "f4"), ("b", "f4")]), "plain numbers"),
    "opaque": (replaced(data=np.zeros((4, 3), "V2")), "plain numbers"),
    "complex": (replaced(data=np.zeros((4, 3), "c8")), "plain numbers"),
    "arrays": (replaced(shape=(4,), dtype=np.dtype(("f4", (3,)))), "plain numbers"),
    "declared, not stored": (replaced(shape=(1 << 40,), dtype="f4"), r"declares shape \(1099511627776,\)"),
    "no data": (replaced(data=h5py.Empty("f4")), "holds no data"),
    "named type": (lambda f: f.__setitem__("type", np.dtype("f4")), "neither a group nor a dataset"),
    "deep groups": (lambda f: f.create_group("/".join("a" * 100)), "nested more than"),
    "other shape": (replaced(data=np.zeros((3, 4), "f4")), r"expected .*\(4, 3\).*found .*\(3, 4\)"),
}


@pytest.mark.parametrize("name", HDF5_ATTACKS)
def test_hdf5(name: str) -> None:
    change, message = HDF5_ATTACKS[name]
    model = target()
    model.load_weights(dense_weights(lambda file: None))
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.load_weights(dense_weights(change))
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_opaque_bytes_need_a_known_dtype() -> None:
    def change(file: h5py.File) -> None:
        replaced(data=np.zeros((4, 3), "V2"))(file)
        file[KERNEL].attrs["dtype"] = "object"

    with pytest.raises(ValueError, match="plain numbers"):
        target().load_weights(dense_weights(change))


def test_datasets_that_share_their_bytes() -> None:
    """Many datasets may not declare the same bytes: together they would be larger than the file."""
    file = io.BytesIO()
    with h5py.File(file, "w") as stored:
        for index in range(8):
            stored.create_dataset(f"d{index}", data=np.full(4096, index + 1, "f8"))
        offsets = [stored[f"d{index}"].id.get_offset() for index in range(8)]
    raw = file.getvalue()
    for offset in offsets[1:]:
        raw = raw.replace(offset.to_bytes(8, "little"), offsets[0].to_bytes(8, "little"))
    raw = raw[: offsets[0]] + bytes(8 * 4096) + raw[offsets[0] + 8 * 4096 :]
    with h5py.File(io.BytesIO(raw)) as stored:  # still a file that HDF5 accepts
        assert not stored["d7"][()].any()
    with pytest.raises(ValueError, match=r"declares \d+ bytes of variables|do not fit"):
        target().load_weights(io.BytesIO(raw[: len(raw)]))


def test_damaged_weights_end_in_an_error_or_load(tmp_path: Path) -> None:
    """Random damage never ends the process, and never uses much memory. Seeds are fixed; a subprocess bounds memory."""
    path = tmp_path / "m.weights.h5"
    target().save_weights(path)
    result = subprocess.run(
        [sys.executable, __file__, str(path)], capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    refused, loaded = map(int, result.stdout.split())
    assert refused > 50
    assert loaded > 50  # most bytes are padding or values


def damage(path: str, rounds: int = 400) -> None:
    from addax.saving.hdf5 import WeightsFileError, WeightsReader

    resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))
    rng = random.Random(0)
    good = Path(path).read_bytes()
    refused = loaded = 0
    for _ in range(rounds):
        bad = bytearray(good)
        for _ in range(rng.choice([1, 2, 8])):
            bad[rng.randrange(min(len(bad), 4096))] = rng.randrange(256)
        try:
            with WeightsReader(io.BytesIO(bytes(bad))) as reader:
                stored = reader.variables("layers/dense")
                [stored[key] for key in stored]
            loaded += 1
        except WeightsFileError:
            refused += 1
    print(refused, loaded)


if __name__ == "__main__":
    damage(sys.argv[1])
