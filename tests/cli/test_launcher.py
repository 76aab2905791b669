#!/usr/bin/env python3
"""The launcher ./overlab with every tool that it calls replaced by a fake one, in a tree of its own.

    python3 tests/cli/test_launcher.py SOURCE_DIR

The fakes are shell scripts that write what they were called with into a log. What they stand for (Debian's
packages, CMake, Ninja) is exercised for real by .ci/run.
"""

import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else __file__).resolve()

# `installed` holds the installed packages; apt-get install adds to it unless `broken-apt` is there.
FAKES = {
    "dpkg-query": 'shift 3; for p in "$@"; do grep -qx "$p" "$FAKE/installed" && echo "installed $p"; done; exit 1',
    "id": 'cat "$FAKE/uid"',
    "apt-get": 'echo "apt-get $* frontend=$DEBIAN_FRONTEND" >>"$FAKE/log"; [ -e "$FAKE/broken-apt" ] && exit 100; '
               '[ "$1" = update ] || printf "%s\\n" "$@" >>"$FAKE/installed"; echo "apt chatter"',
    "cmake": 'echo "cmake $*" >>"$FAKE/log"; [ -e "$FAKE/broken-cmake" ] && { echo "CMake Error: no"; exit 1; }; '
             'dir=$ROOT_OF_TREE/build/$2; touch "$dir/build.ninja"',
    "ninja": 'echo "ninja $*" >>"$FAKE/log"; cat "$FAKE/ninja-says"; exit "$(cat "$FAKE/ninja-code")"',
    "ctest": 'echo "ctest $*" >>"$FAKE/log"; echo "100% tests passed"',
}
# `kernel status` and `kernel build` end as the files say; all else as a run that ends with 7.
PROGRAM = """#!/bin/sh
case "$*" in
    "kernel status") [ -e "$FAKE/kernel" ]; exit ;;
    "kernel build") echo "program $*" >>"$FAKE/log"; echo "kernel chatter"; exit "$(cat "$FAKE/kernel-build-code")" ;;
esac
printf "program in %s:" "$PWD"; for a in "$@"; do printf " <%s>" "$a"; done; echo; exit 7
"""


def write_script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


class LauncherTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.fake = pathlib.Path(scratch.name)
        self.tree = self.fake / "tree"
        (self.tree / "cmake").mkdir(parents=True)
        shutil.copy(SOURCE / "overlab", self.tree / "overlab")
        (self.tree / "cmake/packages.txt").write_text("# comment\nbuild g++\nbuild cmake\nguest bc\ntest catch2\n")
        for name, body in FAKES.items():
            write_script(self.fake / "bin" / name, f"#!/bin/sh\n{body}\n")
        write_script(self.tree / "build/release/cli/overlab", PROGRAM)
        self.set(installed="g++\ncmake\nbc\ncatch2\n", uid="0\n", log="", kernel="")
        self.set(**{"ninja-says": "ninja: no work to do.\n", "ninja-code": "0\n", "kernel-build-code": "0\n"})

    def set(self, **files):
        for name, text in files.items():
            (self.fake / name).write_text(text, encoding="utf-8")

    def launch(self, *arguments, cwd=None, command=None):
        environment = {"PATH": f"{self.fake}/bin:{os.environ['PATH']}", "FAKE": str(self.fake),
                       "ROOT_OF_TREE": str(self.tree)}
        return subprocess.run([str(command or self.tree / "overlab"), *arguments], cwd=cwd or self.fake,
                              env=environment, capture_output=True, text=True, check=False)

    def log(self):
        return (self.fake / "log").read_text(encoding="utf-8").splitlines()

    def test_missing_packages_are_named_with_the_command_that_installs_them(self):
        self.set(installed="cmake\n", uid="1000\n")

        done = self.launch("run", "x.json")

        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stdout, "")
        self.assertIn("missing Debian packages: g++\n", done.stderr)
        self.assertIn("sudo apt-get update && sudo apt-get install --no-install-recommends g++\n", done.stderr)
        self.assertEqual(self.log(), [])

    def test_running_does_not_need_what_only_tests_need(self):
        self.set(installed="g++\ncmake\nbc\n", uid="1000\n")

        self.assertEqual(self.launch("run").returncode, 7)
        done = self.launch("test")

        self.assertEqual(done.returncode, 2)
        self.assertIn("missing Debian packages: catch2\n", done.stderr)

    def test_root_gets_missing_packages_installed_without_questions(self):
        self.set(installed="")

        done = self.launch("run")

        self.assertEqual(done.returncode, 7)
        self.assertEqual(self.log()[:2], [
            "apt-get update -q frontend=noninteractive",
            "apt-get install -yq --no-install-recommends g++ cmake frontend=noninteractive"])
        self.assertNotIn("chatter", done.stdout)

    def test_a_failed_installation_ends_it(self):
        self.set(installed="", **{"broken-apt": ""})

        done = self.launch("run")

        self.assertEqual(done.returncode, 2)
        self.assertIn("apt-get update failed", done.stderr)
        self.assertFalse(any(line.startswith("ninja") for line in self.log()))

    def test_the_program_gets_the_arguments_the_folder_and_gives_its_exit_code(self):
        elsewhere = self.fake / "else where"
        elsewhere.mkdir()

        done = self.launch("run", "a b.json", "--seed", "3", cwd=elsewhere)

        self.assertEqual(done.stdout, f"program in {elsewhere}: <run> <a b.json> <--seed> <3>\n")
        self.assertEqual(done.returncode, 7)

    def test_it_finds_its_tree_through_a_link(self):
        link = self.fake / "bin/ovl"
        link.symlink_to(self.tree / "overlab")

        self.assertIn("program in", self.launch("run", command=link).stdout)

    def test_nothing_is_said_when_nothing_is_built(self):
        self.launch("run")

        self.assertEqual(self.launch("run").stderr, "")
        self.assertEqual(sum(line.startswith("cmake") for line in self.log()), 1)

    def test_the_build_is_configured_anew_when_the_test_packages_have_come(self):
        self.launch("run")
        self.launch("test")
        self.launch("test")
        self.launch("run")

        self.assertEqual(sum(line.startswith("cmake") for line in self.log()), 2)

    def test_building_is_told_on_standard_error(self):
        self.set(**{"ninja-says": "[0/1] Re-checking globbed directories...\n-- Generating done\n"
                                  "[1/4] Building a.o\n[4/4] Linking overlab\n"})

        done = self.launch("run")

        self.assertIn("overlab: building 4/4\n", done.stderr)
        self.assertNotIn("globbed", done.stderr)
        self.assertNotIn("Generating", done.stderr)
        self.assertNotIn("building", done.stdout)

    def test_a_compilers_error_is_shown_whole_and_the_program_not_run(self):
        self.set(**{"ninja-says": "[1/2] Building a.o\nFAILED: a.o\na.cc:3:1: error: no\n", "ninja-code": "1\n"})

        done = self.launch("run")

        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stdout, "")
        self.assertIn("FAILED: a.o\na.cc:3:1: error: no\noverlab: the build failed\n", done.stderr)

    def test_a_configuration_that_fails_is_shown_and_tried_again_next_time(self):
        self.set(**{"broken-cmake": ""})

        done = self.launch("run")

        self.assertEqual(done.returncode, 2)
        self.assertIn("CMake Error: no", done.stderr)
        (self.fake / "broken-cmake").unlink()
        self.assertEqual(self.launch("run").returncode, 7)

    def test_tests_build_everything_and_pass_arguments_to_ctest(self):
        done = self.launch("test", "-R", "lease")

        self.assertEqual(done.returncode, 0)
        self.assertIn("100% tests passed", done.stdout)
        build, run = self.log()[-2:]
        self.assertTrue(build.endswith(" all"), build)
        self.assertIn("--output-on-failure", run)
        self.assertTrue(run.endswith("-R lease"), run)

    def test_fast_tests_build_and_run_unit_and_property_tests_only(self):
        self.launch("test", "--fast")

        build, run = self.log()[-2:]
        self.assertTrue(build.endswith(" overlab_fast_tests"), build)
        self.assertIn("-L ^(unit|property)$", run)

    def test_only_building_a_kernel_and_testing_need_what_kernels_are_built_with(self):
        self.set(installed="g++\ncmake\ncatch2\n", uid="1000\n")

        self.assertEqual(self.launch("run", "kernel build.json").returncode, 7)
        self.assertEqual(self.launch("kernel", "status").returncode, 0)
        self.assertEqual(self.launch("test", "--fast").returncode, 0)
        for command in (["kernel", "build"], ["kernel", "build", "--keep"], ["test"]):
            done = self.launch(*command)
            self.assertEqual(done.returncode, 2, command)
            self.assertIn("missing Debian packages: bc\n", done.stderr)

    def test_tests_build_the_guest_kernel_first_if_there_is_none(self):
        (self.fake / "kernel").unlink()

        done = self.launch("test")

        self.assertEqual(done.returncode, 0)
        self.assertEqual(self.log()[-2], "program kernel build")
        self.assertTrue(self.log()[-1].startswith("ctest "))
        self.assertNotIn("chatter", done.stdout)
        self.assertNotIn("NO GUEST KERNEL", done.stderr)

    def test_fast_tests_do_without_a_guest_kernel_and_others_build_it_once(self):
        self.launch("test")
        (self.fake / "kernel").unlink()
        self.launch("test", "--fast")

        self.assertNotIn("program kernel build", self.log())

    def test_tests_go_on_loudly_where_the_guest_kernel_cannot_be_built(self):
        (self.fake / "kernel").unlink()
        self.set(**{"kernel-build-code": "2\n"})

        done = self.launch("test")

        self.assertEqual(done.returncode, 0)
        self.assertIn("100% tests passed", done.stdout)
        self.assertEqual(done.stderr.count("NO GUEST KERNEL"), 2)

    def test_interrupting_the_kernels_build_ends_the_tests(self):
        (self.fake / "kernel").unlink()
        self.set(**{"kernel-build-code": "130\n"})

        self.assertEqual(self.launch("test").returncode, 130)
        self.assertFalse(any(line.startswith("ctest") for line in self.log()))

    def test_help_names_the_launchers_own_commands_and_the_programs(self):
        done = self.launch("--help")

        self.assertIn("./overlab test [--fast]", done.stdout)
        self.assertIn("<--help>", done.stdout)


if __name__ == "__main__":
    unittest.main()
