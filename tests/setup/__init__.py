"""Tests of the first-run set-up in bootstrap/."""
