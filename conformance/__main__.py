"""The door ``python3 -m conformance``: sets up a checkout when need be, then runs the command line."""

from pathlib import Path

# An installed package has no pyproject.toml beside it, and brings its dependencies.
if Path(__file__).resolve().parent.with_name("pyproject.toml").is_file():
    import bootstrap

    bootstrap.ensure("conformance")

from conformance.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
