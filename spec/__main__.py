"""The door ``python3 -m spec [--check]``: writes what is generated here and in SPEC.md, or says what is stale."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run the command line; its exit status."""
    import argparse

    from spec.tools.update import update

    parser = argparse.ArgumentParser(prog="python3 -m spec", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where anything is stale")
    options = parser.parse_args(arguments)
    report = update(check=options.check)
    for line in report.lines:
        print(line)
    return int(report.failed)


if __name__ == "__main__":
    import bootstrap

    bootstrap.ensure("tests")
    sys.exit(main(sys.argv[1:]))
