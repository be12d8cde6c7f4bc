"""A stand-in for uv that makes environments without packages; MYCELLM_FAKE_UV tells it how to misbehave.

It notes each call as a line of JSON in ``calls`` beside it: the arguments and the variables that say where from.
"""

import json
import os
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(arguments: list[str]) -> int:
    mode = os.environ.get("MYCELLM_FAKE_UV", "")
    if arguments == ["--version"]:
        print("uv 0.4.30" if mode == "old" else "uv 0.99.0 (a stand-in)")
        return 0
    with (HERE / "calls").open("a", encoding="utf-8") as calls:
        print(json.dumps({"arguments": arguments, "environ": dict(os.environ)}), file=calls)
    if arguments[0] == "venv":
        folder, python = Path(arguments[-1]), arguments[arguments.index("--python") + 1]
        if not Path(python).exists():
            print(f"error: No interpreter found at path `{python}`")
            return 2
        venv.create(folder, with_pip=False, symlinks=True)
        if mode == "no-venv":
            (folder / "pyvenv.cfg").unlink()
    elif mode == "fail":
        print("error: Hash mismatch for `numpy`")
        return 1
    elif mode == "wait":
        # Opening a FIFO waits for its other end: first tell the test that we are here, then wait for its word.
        (HERE / "here").write_text("here", encoding="ascii")
        (HERE / "go").read_text(encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
