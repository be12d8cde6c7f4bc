"""The reference node: everything that performs IO, around `mycellm_proto`."""
