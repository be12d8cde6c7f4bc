"""The door ``python3 -m fuzz``: sets up the checkout when need be, then runs the command line."""

import bootstrap

bootstrap.ensure("tests")

from fuzz.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
