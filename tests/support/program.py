"""Runs the program under test, and asks its doctor what may be skipped."""

import json
import subprocess
import sys

SKIPPED = 77  # tests/CMakeLists.txt tells ctest


class Overlab:
    def __init__(self, program):
        self.program = str(program)

    def run(self, *arguments, limit_s=150):
        """Exit code and standard output; what it says on standard error goes to ours."""
        done = subprocess.run([self.program, *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=False,
                              timeout=limit_s)
        return done.returncode, done.stdout

    def result(self, scenario, out, *arguments, command="run", limit_s=150):
        """Runs a scenario; exits if that fails or an expectation is not met. The deterministic part of its result."""
        code, printed = self.run(command, scenario, "--out", out, "--no-progress", *arguments, limit_s=limit_s)
        if code != 0:
            sys.exit(f"overlab {command} {scenario} {' '.join(arguments)}: exit code {code}\n{printed}")
        return json.loads((out / "result.json").read_text(encoding="utf-8"))["deterministic"]

    def skip_unless_available(self, world, *backends):
        """Ends this test with the reason where the doctor says that this machine cannot run a backend in a world."""
        code, printed = self.run("doctor", "--format", "json", limit_s=280)  # it may have to boot guests
        if code != 0:
            sys.exit(f"overlab doctor: exit code {code}")
        answers = json.loads(printed)["backends"]
        for backend in backends:
            answer = answers[backend][world]
            if not answer["available"]:
                print(f"skipped: {backend} in world {world}: {answer['why']} (remedy: {answer['remedy']})")
                sys.exit(SKIPPED)
