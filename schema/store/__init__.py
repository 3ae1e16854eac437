"""The store is ClickHouse, always over HTTP: how to reach it, run it embedded, and bring its schema up."""
