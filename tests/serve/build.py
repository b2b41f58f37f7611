"""Builds the service of examples/serve as an outside project, against the installed package or the library in place."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import addax

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(addax.__path__[0]).resolve()


@cache
def missing() -> str:
    """Which of apt's packages the service needs and does not find; empty if it finds all."""
    compiler = os.environ.get("CXX", "c++")
    headers = {"httplib.h": "libcpp-httplib-dev", "nlohmann/json.hpp": "nlohmann-json3-dev"}
    lacking = [
        package
        for header, package in headers.items()
        if subprocess.run(
            [compiler, "-xc++", "-fsyntax-only", "-"],
            input=f"#if !__has_include(<{header}>)\n#error\n#endif\n",
            text=True,
            capture_output=True,
        ).returncode
    ]
    return ", ".join(lacking if shutil.which("pkg-config") else [*lacking, "pkg-config"])


def _cmake_package(folder: Path) -> Path:
    """The folder of addaxConfig.cmake: the wheel's; for a library in place, one written to `folder`."""
    found = subprocess.run([sys.executable, "-m", "addax", "--cmake-dir"], capture_output=True, text=True)
    if found.returncode == 0:
        return Path(found.stdout.strip())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "addaxConfig.cmake").write_text(
        f"set(addax_VERSION {addax.__version__})\n"
        "add_library(addax::addax SHARED IMPORTED)\n"
        "set_target_properties(addax::addax PROPERTIES\n"
        f'  IMPORTED_LOCATION "{PACKAGE}/lib/libaddax.so" INTERFACE_INCLUDE_DIRECTORIES "{ROOT}/cpp/include")\n'
    )
    return folder


def build(sanitize: str = "") -> Path:
    """Returns the program's path. Processes that build at once wait for each other."""
    name = hashlib.sha256(f"{PACKAGE} {sanitize}".encode()).hexdigest()[:8]
    folder = ROOT / f"build/serve-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        arguments = [
            "cmake", "-S", str(ROOT / "examples/serve"), "-B", str(folder), "-G", "Ninja",
            f"-Daddax_DIR={_cmake_package(folder / 'package')}", f"-DSERVE_SANITIZE={sanitize}",
            "-DCMAKE_COMPILE_WARNING_AS_ERROR=ON",
        ]  # fmt: skip
        if shutil.which("ccache"):
            arguments.append("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")
        for command in (arguments, ["cmake", "--build", str(folder)]):
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
    return folder / "serve"


if __name__ == "__main__":
    print(build(*sys.argv[1:]))
