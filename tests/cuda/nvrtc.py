"""NVRTC itself, of the wheel nvidia-cuda-nvrtc: it compiles without a device."""

from __future__ import annotations

import ctypes
import importlib.util
import re
from pathlib import Path


def path_of_nvrtc() -> Path | None:
    """The wheel's library."""
    spec = importlib.util.find_spec("nvidia")
    for folder in spec.submodule_search_locations or () if spec else ():
        for library in sorted(Path(folder).glob("cu1?/lib/libnvrtc.so.1?")):
            return library
    return None


class Nvrtc:
    """Compiles what an emulated device's NVRTC was given last."""

    def __init__(self, emulation: ctypes.CDLL) -> None:
        self.library = ctypes.CDLL(str(path_of_nvrtc()))
        for function in (emulation.nvrtc_text, emulation.nvrtc_header_name, emulation.nvrtc_header):
            function.restype = ctypes.c_char_p
        self.text = emulation.nvrtc_text()
        self.names, self.headers = [], []
        while name := emulation.nvrtc_header_name(len(self.names)):
            self.headers.append(emulation.nvrtc_header(len(self.names)))
            self.names.append(name)

    def compile(self, capability: int, *options: str) -> tuple[str, bytes]:
        """Returns the log and the binary, which is empty if the text is refused."""
        program, size, count = ctypes.c_void_p(), ctypes.c_size_t(), len(self.names)
        texts = ctypes.c_char_p * count
        self.library.nvrtcCreateProgram(
            ctypes.byref(program), self.text, b"addax_generated.cu", count, texts(*self.headers), texts(*self.names)
        )
        given = [b"--std=c++17", b"--gpu-architecture=sm_%d" % capability, *(o.encode() for o in options)]
        status = self.library.nvrtcCompileProgram(program, len(given), (ctypes.c_char_p * len(given))(*given))
        self.library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        self.library.nvrtcGetProgramLog(program, log)
        binary = b""
        if status == 0:
            self.library.nvrtcGetCUBINSize(program, ctypes.byref(size))
            cubin = ctypes.create_string_buffer(size.value)
            self.library.nvrtcGetCUBIN(program, cubin)
            binary = cubin.raw
        self.library.nvrtcDestroyProgram(ctypes.byref(program))
        return log.value.decode(), binary

    def registers(self, capability: int) -> tuple[int, int]:
        """Returns how many a thread has, and bytes that it spills."""
        log = self.compile(capability, "--ptxas-options=-v")[0]
        spilled = re.findall(r"(\d+) bytes spill stores", log)
        return int(re.search(r"Used (\d+) registers", log)[1]), sum(map(int, spilled))
