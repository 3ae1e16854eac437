"""The pages that people look at. Reads through `schema.query` alone."""
