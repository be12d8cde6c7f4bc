"""The conformance suite: a second implementation, which shares no code with mycellm_proto."""
