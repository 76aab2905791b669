#!/usr/bin/env python3
"""The program on a terminal: progress and colours. An entry of its own, so that a machine without
pseudo-terminals shows it as skipped instead of passing without a word.

    python3 tests/cli/test_terminal.py PROGRAM
"""

import os
import pty
import select
import signal
import subprocess
import sys
import unittest

import test_program as program


class TerminalTest(program.ProgramTest):
    def test_a_terminal_sees_progress_and_no_trace_of_it_afterwards(self):
        self.write("long.json", program.with_changes(duration="3000s"))
        for arguments, shown in (([], True), (["--no-progress"], False)):
            main, side = pty.openpty()
            process = subprocess.Popen([str(program.PROGRAM), "run", "long.json", *arguments], cwd=self.folder,
                                       stdout=subprocess.DEVNULL, stderr=side)
            os.close(side)
            # Progress begins after two seconds; three without a word mean that there is none.
            speaks = bool(select.select([main], [], [], 30 if shown else 3)[0])
            self.assertEqual(speaks, shown)
            seen = b""
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
            while chunk := read_terminal(main):
                seen += chunk
            self.assertTrue(seen.endswith(b"overlab: stopped by SIGTERM\r\n"), seen)
            if shown:
                self.assertIn(b" %", seen)
                self.assertIn(b"\r\x1b[Koverlab: stopped", seen)

    def test_colours_on_a_terminal_unless_no_color_is_set(self):
        for environment, coloured in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
            main, side = pty.openpty()
            subprocess.run([str(program.PROGRAM), "compare", "pair.json"], cwd=self.folder, stdout=side, env=environment,
                           check=True, timeout=120)
            os.close(side)
            output = b""
            while chunk := read_terminal(main):
                output += chunk
            self.assertEqual(b"\x1b[" in output, coloured)


def read_terminal(descriptor):
    """What a terminal holds; nothing at its end, which Linux tells as an error."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        os.close(descriptor)
        return b""


def pseudo_terminals():
    """None, or why there are none: a bare chroot has no /dev/pts."""
    try:
        for descriptor in pty.openpty():
            os.close(descriptor)
    except OSError as problem:
        return problem
    return None


if __name__ == "__main__":
    if missing := pseudo_terminals():
        sys.exit(f"skipped: no pseudo-terminals here ({missing})")
    unittest.main()
