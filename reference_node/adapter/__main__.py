"""The door ``python3 -m reference_node.adapter``: moves a node as lines on standard input say, until they end."""

from pathlib import Path

# An installed package has no pyproject.toml beside it, and brings its dependencies.
if (Path(__file__).resolve().parents[2] / "pyproject.toml").is_file():
    import bootstrap

    bootstrap.ensure("node")

from reference_node.adapter.lines import serve

if __name__ == "__main__":
    serve()
