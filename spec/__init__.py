"""The data that SPEC.md refers to, and the tools that keep both in step. See README.md beside this file."""
