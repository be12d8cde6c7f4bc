"""The door ``python3 -m reference_node.vector_driver``: answers lines on standard input until it ends."""

import sys
from pathlib import Path

# An installed package has no pyproject.toml beside it, and brings its dependencies.
if (Path(__file__).resolve().parents[2] / "pyproject.toml").is_file():
    import bootstrap

    bootstrap.ensure("conformance")

from reference_node.vector_driver.protocol import serve

if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
