"""The QUIC transport, on loopback."""
