"""What cases are scripted with: the suite's own side of a connection, honest but for one named fault."""
