"""Runs of the kernel world in virtual time, as a user starts them, and what the machine must have for them."""

import json
import os
import pathlib
import shlex
import subprocess
import sys

SKIPPED = 77  # tests/CMakeLists.txt tells ctest
SCENARIOS = pathlib.Path(__file__).resolve().parent / "virtual"


def kernel_or_skip(program):
    """What `overlab kernel status` says about the built kernel; ends this test with the reason if there is none."""
    done = subprocess.run([program, "kernel", "status", "--format", "json"], stdout=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"overlab kernel status: exit code {done.returncode}\n{done.stdout}")
    kernel = json.loads(done.stdout)["kernel"]
    if kernel is None:
        print("skipped: no kernel with virtual time is built (`overlab kernel build` builds it once)")
        sys.exit(SKIPPED)
    return kernel


class Runs:
    """What came of one `overlab compare`."""

    def __init__(self, result):
        self.by_backend = {run["backend"]: run for run in result["deterministic"]["runs"]}
        self.repeats = {run["backend"]: run for run in result.get("repeats", [])}
        self.captures = result.get("captures", [])

    def digests(self, backend):
        """Of that backend's captures, by link."""
        prefix = f"captures/{backend}-seed"
        return {pathlib.Path(capture["file"]).stem: capture["sha256"]
                for capture in self.captures if capture["file"].startswith(prefix)}


def compare(program, scenario, out, *arguments, prefix=(), environment=None, limit_s=500):
    """Runs a scenario in virtual time with captures. A run that fails, differs from its repeat or misses an
    expectation ends in an AssertionError with the command that does it again."""
    command = [*prefix, str(program), "compare", str(SCENARIOS / scenario), "--world", "vm", "--time", "virtual",
               "--capture", "--no-progress", "--out", str(out), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          timeout=limit_s, env={**os.environ, **(environment or {})})
    if done.returncode != 0:
        raise AssertionError(f"exit code {done.returncode} of: {shlex.join(command)}\n{done.stdout}")
    return Runs(json.loads((pathlib.Path(out) / "result.json").read_text(encoding="utf-8")))
