"""The door ``python3 -m spec.vectors.generate [--check] [FAMILY]``: writes the vectors, or says which are stale."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from spec.tools.files import settle

from .families import FAMILIES
from .files import produced


def main(arguments: Sequence[str]) -> int:
    """Run the command line; its exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m spec.vectors.generate", description=__doc__)
    parser.add_argument("family", nargs="?", choices=sorted(FAMILIES), metavar="FAMILY", help=", ".join(FAMILIES))
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a file is stale")
    options = parser.parse_args(arguments)
    stale = settle(produced(options.family), check=options.check)
    for line in stale:
        print(line)
    return int(bool(stale) and options.check)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
