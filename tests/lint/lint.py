#!/usr/bin/env python3
"""Checks that no compiler makes: the folder contract, banned words, sizes, dead files, links, formatting.

    python3 tests/lint/lint.py [--root DIR] [--compile-commands FILE] [--only RULE,...] [--list]

Prints `path:line: rule: message` for each finding; exit code 1 if there is any. Rules are functions in the
rules_*.py files beside this one: each takes a Tree and yields Findings. Standard library only.
"""

import argparse
import pathlib
import sys

import rules_code
import rules_files
from source import Tree

RULES = {**rules_code.RULES, **rules_files.RULES}


def run(root, compile_commands=None, only=None):
    """All findings in the tree under root, in the order of path and line."""
    tree = Tree(pathlib.Path(root), compile_commands)
    names = only or list(RULES)
    return sorted(finding for name in names for finding in RULES[name](tree))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--compile-commands", help="a build's compile_commands.json (rule dead-source)")
    parser.add_argument("--only", help="rules to run, comma separated")
    parser.add_argument("--list", action="store_true", help="print the rules and what they are for")
    arguments = parser.parse_args()
    if arguments.list:
        for name, rule in RULES.items():
            print(f"{name}: {rule.__doc__.splitlines()[0]}")
        return 0
    only = arguments.only.split(",") if arguments.only else None
    findings = run(arguments.root, arguments.compile_commands, only)
    for finding in findings:
        print(finding)
    print(f"lint: {len(findings)} findings", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
