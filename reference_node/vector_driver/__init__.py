"""The driver that puts `mycellm_proto` to the test vectors: ``python3 -m reference_node.vector_driver``.

It is the example to copy: spec/vectors/README.md, "Drivers". Every family is a function from the inputs of a case to an
outcome, over the public functions that the node itself uses.
"""
