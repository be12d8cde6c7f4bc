"""``python3 -m bootstrap``: make an environment without using it, or renew the locks.

node, tests, conformance    make that environment and print its interpreter (for images, CI caches and editors)
lock [--upgrade]            write bootstrap/locks from pyproject.toml; needs uv on PATH and the network
"""

import argparse
import sys

import bootstrap


def main() -> int:
    """Run the command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="python3 -m bootstrap", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=["node", "tests", "conformance", "lock"], metavar="TASK")
    parser.add_argument("--upgrade", action="store_true", help="let `lock` move to newer versions within the ranges")
    arguments = parser.parse_args()
    if arguments.task != "lock":
        bootstrap.ensure(arguments.task)
        print(sys.executable)
        return 0
    from bootstrap import locking

    return locking.main(upgrade=arguments.upgrade)


if __name__ == "__main__":
    raise SystemExit(main())
