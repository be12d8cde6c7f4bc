"""Door one: the test vectors alone, put to this suite's own implementation, to its mutants, or to anybody's driver."""
