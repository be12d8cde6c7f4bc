"""What happens on connections: recorded, whether they are of QUIC or in memory."""
