"""Rules, their state and the messages they send. Reads through `schema.query` alone."""
