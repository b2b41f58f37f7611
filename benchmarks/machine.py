"""The limits of this machine, which measurements are stated as fractions of: multiply-adds and memory traffic. And how
far its cores are from each other.

    python benchmarks/machine.py [--threads 2]

All come from a small C++ program that is compiled for this processor when asked for; a C++ compiler must be there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

# Chains of independent multiply-adds that fill the pipelines from registers; copies of arrays no cache holds; a number
# that two threads pass to and fro.
SOURCE = r"""
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

using Clock = std::chrono::steady_clock;

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX2__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
typedef float Vector __attribute__((vector_size(kBytes)));

double seconds(int threads, const std::function<void(int)>& body) {
  double best = 1e9;
  for (int round = 0; round < 7; ++round) {
    const auto start = Clock::now();
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back(body, t);
    body(0);
    for (auto& o : others) o.join();
    const double taken = std::chrono::duration<double>(Clock::now() - start).count();
    if (taken < best) best = taken;
  }
  return best;
}

volatile float sink;

void multiply_add(long rounds) {
  Vector a[12], x, y;
  for (int i = 0; i < kBytes / 4; ++i) x[i] = 0.999f, y[i] = 0.001f;
  for (int i = 0; i < 12; ++i) a[i] = x;
  for (long r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i) a[i] = a[i] * x + y;
  }
  float sum = 0;
  for (int i = 0; i < 12; ++i) sum += a[i][0];
  sink = sum;
}

double handover() {
  constexpr int kTimes = 20000;
  std::atomic<int> x{0};
  const auto pass = [&](int thread) {  // 0 writes odd numbers, and waits for the even ones of 1
    for (int i = 1; i < 2 * kTimes; i += 2) {
      if (thread == 0) x.store(i);
      while (x.load() != i + 1 - thread) {
      }
      if (thread == 1) x.store(i + 1);
    }
  };
  return seconds(2, pass) / (2 * kTimes);
}

int main(int, char** argv) {
  const int threads = std::atoi(argv[1]);
  if (threads == 0) {
    std::printf("%.1f\n", handover() * 1e9);
    return 0;
  }
  const long rounds = 4000000;
  const double flop = 2.0 * 12 * (kBytes / 4) * rounds * threads;
  std::printf("%.3f ", flop / seconds(threads, [=](int) { multiply_add(rounds); }) / 1e9);
  const size_t bytes = size_t(128) << 20;
  char* from = static_cast<char*>(std::aligned_alloc(64, bytes));
  char* to = static_cast<char*>(std::aligned_alloc(64, bytes));
  std::memset(from, 1, bytes);
  std::memset(to, 1, bytes);
  const size_t part = bytes / threads;
  const double taken = seconds(threads, [=](int t) { std::memcpy(to + t * part, from + t * part, part); });
  std::printf("%.3f\n", 2.0 * bytes / taken / 1e9);
}
"""


@lru_cache
def _program() -> tuple[Path, tempfile.TemporaryDirectory]:
    folder = tempfile.TemporaryDirectory()
    source, program = Path(folder.name, "limits.cc"), Path(folder.name, "limits")
    source.write_text(SOURCE)
    compiler = os.environ.get("CXX", "c++")
    subprocess.run([compiler, "-O3", "-march=native", "-pthread", str(source), "-o", str(program)], check=True)
    return program, folder  # which lives as long as the program may be run


def _measured(what: int) -> list[float]:
    run = subprocess.run([str(_program()[0]), str(what)], capture_output=True, text=True, check=True)
    return [float(x) for x in run.stdout.split()]


def limits(threads: int) -> dict[str, float]:
    """Peak float32 arithmetic in GFLOP/s, and the traffic of a large copy, bytes read plus bytes written, in GB/s.

    They are what the machine does just now: neighbours on a shared one take their part of its memory's rate.
    """
    peak, copy = _measured(threads)
    return {"peak GFLOP/s": peak, "copy GB/s": copy}


def least(flops: float, traffic: float, limits: dict[str, float]) -> tuple[float, float]:
    """The seconds that so much arithmetic and so many bytes of traffic take at the limits."""
    return flops / limits["peak GFLOP/s"] / 1e9, traffic / limits["copy GB/s"] / 1e9


def typical(measured: list[dict[str, float]]) -> dict[str, float]:
    """The medians of measurements of the same things."""
    return {key: statistics.median(m[key] for m in measured) for key in measured[0]}


def about(args: argparse.Namespace, measured: dict[str, float]) -> dict[str, float]:
    """What a file of measurements says of how they were taken: the options, and the limits that were measured."""
    return {"threads": args.threads, "rounds": args.rounds} | measured


def handover() -> float:
    """Nanoseconds in which a line of memory goes from one core to another: below 60 if they share a cache, else more.

    On a virtual machine it tells where the cores are just now.
    """
    return _measured(0)[0]


def processor() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def commit() -> str:
    """The commit that is measured, with a + where the tree differs from it."""
    here = Path(__file__).resolve().parent
    run = subprocess.run(["git", "describe", "--always", "--dirty=+"], cwd=here, capture_output=True, text=True)
    return run.stdout.strip()


def write(file: str, about: dict, **data: Any) -> None:
    """Writes measurements as JSON, with what they were measured on besides what `about` says."""
    about = {"processor": processor(), **about, "commit": commit(), "date": time.strftime("%Y-%m-%d")}
    Path(file).write_text(json.dumps({"about": about, **data}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    threads = parser.parse_args().threads
    peak, copy = limits(threads).values()
    print(
        f"{processor()}, {threads} threads: {peak:.1f} GFLOP/s in float32, copies at {copy:.1f} GB/s, "
        f"from core to core in {handover():.0f} ns"
    )


if __name__ == "__main__":
    main()
