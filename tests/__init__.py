"""Tests of this repository's own code; ``python3 -m tests --help`` says how to run them."""
