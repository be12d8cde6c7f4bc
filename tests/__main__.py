"""The door ``python3 -m tests``: sets up the checkout when need be, then checks and tests it."""

import sys

import bootstrap

bootstrap.ensure("tests")

from tests.runner import main

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
