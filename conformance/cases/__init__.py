"""The cases: what they do, what has to follow, and which requirements that shows."""
