"""What makes the test vectors: one module a family, each a pure function of constants.

The expected outcome of every case is written down here by hand, and mycellm_proto has to reach it while the vectors
are made: a generator that disagrees with the implementation fails.
"""
