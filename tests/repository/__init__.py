"""Tests about the repository itself: its walls, its sizes, its wheel."""
