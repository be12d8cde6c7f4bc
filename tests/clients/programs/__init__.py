"""Programs that run inside a client's own environment, with nothing of this project but `checks` beside them."""
