#!/usr/bin/env python3
"""`overlab kernel`: a build with a source that takes no time, interrupted at every stage, and the cache.

    python3 tests/cli/test_kernel.py PROGRAM

The source is a tarball whose Makefile does in three lines what Linux's does in minutes: takes the configuration,
makes objects one after the other, and makes a program. Its second object waits while the file `hold` is there,
so that a test decides at which point a build is interrupted. The real source is built by `./overlab test`.
"""

import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

PROGRAM = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else "overlab").resolve()

MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 1
SUBLEVEL = 5

allnoconfig:
\t@grep -v DROPPED $(KCONFIG_ALLCONFIG) > $(O)/.config
linux: $(O)/second.o
\t@echo '  LINK linux' && cp /bin/true $(O)/linux
$(O)/first.o:
\t@echo '  CC      first.o' && echo first >> BUILDS && touch $@
$(O)/second.o: $(O)/first.o
\t@echo '  CC      second.o'; echo $$$$ > PID; echo second >> BUILDS; while [ -e HOLD ]; do sleep 0.05; done; touch $@
"""

DEADLINE_S = 60


def wait_for(condition, what):
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {DEADLINE_S} s: {what}")
        time.sleep(0.02)


def is_running(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


class KernelTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.cache = self.folder / "cache/overlab"
        self.hold = self.folder / "hold"
        self.builds = self.folder / "builds"
        self.source = self.make_source(MAKEFILE)

    def make_source(self, makefile, more=()):
        for word, path in (("HOLD", self.hold), ("BUILDS", self.builds), ("PID", self.folder / "pid")):
            makefile = makefile.replace(word, str(path))
        path = self.folder / "source.tar.xz"
        with tarfile.open(path, "w:xz", preset=0) as archive:
            for name, text in [("Makefile", makefile), *more]:
                entry = tarfile.TarInfo(f"linux-6.1.5/{name}")
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text.encode() if isinstance(text, str) else text))
        return path

    def environment(self):
        return {**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache")}

    def kernel(self, *arguments, environment=None):
        return subprocess.run([str(PROGRAM), "kernel", *arguments], env=environment or self.environment(),
                              capture_output=True, text=True, check=False, timeout=DEADLINE_S)

    def build(self, *arguments):
        return self.kernel("build", "--source", str(self.source), *arguments)

    def start_build(self):
        process = subprocess.Popen([str(PROGRAM), "kernel", "build", "--source", str(self.source)],
                                   env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def start_held_build(self):
        """One that stands still while it makes the second object, and the process that does."""
        self.hold.touch()
        process = self.start_build()
        pid = self.folder / "pid"
        wait_for(lambda: pid.exists() and pid.read_text(encoding="utf-8").strip(), "the build's second object")
        return process, int(pid.read_text(encoding="utf-8"))

    def status(self):
        done = self.kernel("status", "--format", "json")
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return json.loads(done.stdout)

    def objects_made(self):
        return self.builds.read_text(encoding="utf-8").split()

    def work_folder(self):
        (folder,) = self.cache.glob("uml-*.work")
        return folder

    def test_a_kernel_is_built_and_kept_with_what_is_known_about_it(self):
        done = self.build()

        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("compiling", done.stderr)
        kernel = self.status()["kernel"]
        self.assertEqual(kernel["version"], "6.1.5")
        self.assertEqual(done.stdout, f"kernel 6.1.5: {kernel['path']}\n")
        path = pathlib.Path(kernel["path"])
        self.assertEqual(path, self.cache / f"uml-{kernel['digest']}/linux")
        self.assertEqual(sorted(os.listdir(path.parent)), ["about.json", "config", "linux"])
        self.assertIn("gcc", json.loads((path.parent / "about.json").read_text(encoding="utf-8"))["built_with"])
        self.assertIn("CONFIG_VXLAN=y\n", (path.parent / "config").read_text(encoding="utf-8"))
        self.assertEqual(list(self.cache.glob("*.work")), [])

    def test_a_second_build_finds_it_there(self):
        self.build()

        done = self.build()

        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("(was there)", done.stdout)
        self.assertEqual(self.objects_made(), ["first", "second"])

    def test_force_builds_anew_and_keep_keeps_the_tree(self):
        self.build("--keep")
        self.assertTrue((self.work_folder() / "source/Makefile").exists())

        self.assertEqual(self.build("--force").returncode, 0)

        self.assertEqual(self.objects_made(), ["first", "second"] * 2)
        self.assertEqual(list(self.cache.glob("*.work")), [])

    def test_an_interrupted_build_ends_its_children_and_goes_on_where_it_was(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number.name):
                self.kernel("clean")
                self.builds.unlink(missing_ok=True)
                (self.folder / "pid").unlink(missing_ok=True)
                process, child = self.start_held_build()

                process.send_signal(number)
                _, errors = process.communicate(timeout=DEADLINE_S)

                self.assertEqual(process.returncode, 128 + number)
                self.assertIn("goes on from here", errors)
                wait_for(lambda pid=child: not is_running(pid), "the end of the compiler")
                self.assertIsNone(self.status()["kernel"])
                self.hold.unlink()
                self.assertEqual(self.build().returncode, 0)
                self.assertEqual(self.objects_made(), ["first", "second", "second"])

    def test_a_killed_builds_children_end_and_the_next_one_goes_on(self):
        process, child = self.start_held_build()

        process.kill()
        process.wait()

        wait_for(lambda: not is_running(child), "the end of the compiler")
        self.hold.unlink()
        self.assertEqual(self.build().returncode, 0)
        self.assertEqual(self.objects_made(), ["first", "second", "second"])

    def test_of_two_builds_one_waits_and_takes_what_the_other_has_made(self):
        first, _ = self.start_held_build()
        second = self.start_build()
        wait_for(lambda: "waiting" in second.stderr.readline(), "the second build waits")

        self.hold.unlink()

        for process in (first, second):
            _, errors = process.communicate(timeout=DEADLINE_S)
            self.assertEqual(process.returncode, 0, errors)
        self.assertEqual(self.objects_made(), ["first", "second"])

    def test_a_half_unpacked_tree_is_not_taken_for_a_whole_one(self):
        process, _ = self.start_held_build()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)
        work = self.work_folder()
        (work / "source").rename(work / "unpacking")  # as a kill before the last step leaves it
        (work / "unpacking/Makefile").write_text("linux: ; false\n", encoding="utf-8")
        self.hold.unlink()

        self.assertEqual(self.build().returncode, 0)

    def test_a_build_killed_while_it_unpacks_goes_on(self):
        self.source = self.make_source(MAKEFILE, [(f"fs/{i}.c", os.urandom(1 << 20)) for i in range(24)])
        self.hold.touch()  # if the kill comes late, it comes while it compiles
        process = self.start_build()
        wait_for(lambda: any(list(self.cache.glob(f"uml-*.work/{where}")) for where in ("unpacking/*", "source")),
                 "unpacking")
        process.kill()
        process.wait()
        self.hold.unlink()

        done = self.build("--keep")

        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(list((self.work_folder() / "source/fs").iterdir())), 24)

    def test_sources_that_no_build_needs_are_not_unpacked(self):
        names = ["drivers/gpu/drm/i915/a.c", "drivers/gpu/drm/Kconfig", "arch/arm/boot/dts/b.dtsi", "arch/um/c.c",
                 "arch/arm/Kconfig.debug", "drivers/net/veth.c", "drivers/net/ethernet/d.c", "Documentation/Kconfig"]
        self.source = self.make_source(MAKEFILE, [(name, "x") for name in names])

        self.build("--keep")

        tree = self.work_folder() / "source"
        self.assertEqual([name for name in names if (tree / name).exists()],
                         ["drivers/gpu/drm/Kconfig", "arch/um/c.c", "arch/arm/Kconfig.debug", "drivers/net/veth.c",
                          "Documentation/Kconfig"])

    def test_a_compiler_that_fails_is_quoted_and_its_log_kept(self):
        self.source = self.make_source(MAKEFILE.replace("touch $@", "echo 'first.c:3: error: no'; exit 3", 1))

        done = self.build()

        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stdout, "")
        log = self.work_folder() / "build.log"
        self.assertIn(f"compiling: exit code 2; the end of {log}:\n", done.stderr)
        self.assertIn("first.c:3: error: no\n", done.stderr)
        self.assertIn("first.c:3: error: no\n", log.read_text(encoding="utf-8"))

    def test_an_option_that_the_source_drops_fails_the_build(self):
        self.source = self.make_source(MAKEFILE.replace("DROPPED", "CONFIG_VETH"))

        done = self.build()

        self.assertEqual(done.returncode, 2)
        self.assertIn("does not take CONFIG_VETH=y", done.stderr)

    def test_what_is_no_source_is_refused(self):
        self.source.write_bytes(b"no archive")
        self.assertIn("source.tar.xz: not a kernel's source", self.build().stderr)
        self.source.unlink()
        done = self.build()

        self.assertIn("source.tar.xz: cannot be read", done.stderr)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(list(self.cache.glob("uml-*")), [])

    def test_a_disk_without_room_is_noticed_before_it_is_full(self):
        (self.folder / "cache").mkdir()
        script = 'mount -t tmpfs -o size=20m small "$XDG_CACHE_HOME" && exec "$@"'
        done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh",
                               str(PROGRAM), "kernel", "build", "--source", str(self.source)],
                              env=self.environment(), capture_output=True, text=True, check=False)
        if "unshare failed" in done.stderr or "mount:" in done.stderr:
            self.skipTest(f"skipped: no mount namespaces: {done.stderr.strip()}")

        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"/overlab: \d+ MB free, a build takes 700; make room there, or set XDG_CACHE")

    def test_a_cache_that_is_no_folder_is_an_error_of_each_command(self):
        (self.folder / "cache").write_text("a file", encoding="utf-8")

        for arguments in (["build"], ["status"], ["clean"]):
            done = self.kernel(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(f"{self.cache}: not a folder that we can write into", done.stderr)

    def test_status_says_what_is_there_and_what_to_do(self):
        done = self.kernel("status")

        self.assertEqual(done.returncode, 1)
        self.assertIn("none; `overlab kernel build`", done.stdout)

        self.build()
        done = self.kernel("status")

        self.assertEqual(done.returncode, 0)
        for word in ("version     6.1.5\n", "digest      ", "size        ", " UTC with gcc", "source      "):
            self.assertIn(word, done.stdout)

    def test_clean_removes_kernels_and_leftovers_and_says_so(self):
        self.build()
        (self.cache / "canary.json").touch()
        (self.cache / "uml-0123456789abcdef.work").mkdir()

        done = self.kernel("clean")

        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stdout.count("removed "), 2)
        self.assertRegex(done.stdout, r"removed \S+/uml-[0-9a-f]{16} \(\d+ MB\)\n")
        self.assertEqual(sorted(os.listdir(self.cache)), ["canary.json", "uml.lock"])
        self.assertIn("nothing to remove", self.kernel("clean").stdout)

    def test_each_command_answers_with_one_document(self):
        built = json.loads(self.build("--format", "json").stdout)
        removed = json.loads(self.kernel("clean", "--format", "json").stdout)["removed"]
        self.source.unlink()
        failed = json.loads(self.build("--format", "json").stdout)

        self.assertFalse(built["was_there"])
        self.assertEqual(built["kernel"]["version"], "6.1.5")
        self.assertEqual([entry["path"] for entry in removed], [os.path.dirname(built["kernel"]["path"])])
        self.assertIn("cannot be read", failed["error"])

    def test_nothing_is_cleaned_under_a_build(self):
        process, _ = self.start_held_build()

        done = self.kernel("clean")

        self.assertEqual(done.returncode, 2)
        self.assertIn("somebody is building", done.stderr)
        self.hold.unlink()
        process.communicate(timeout=DEADLINE_S)
        self.assertEqual(process.returncode, 0)


if __name__ == "__main__":
    unittest.main()
