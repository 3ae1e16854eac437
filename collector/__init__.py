"""Takes OTLP in, keeps it safe, and writes it to the store exactly once. Imports `schema` alone."""
