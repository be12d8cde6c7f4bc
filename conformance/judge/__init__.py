"""The judge: a pure function of a transcript. It opens no connection, reads no clock and draws no numbers."""
