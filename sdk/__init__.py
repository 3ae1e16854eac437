"""What runs in the caller's process. Imports `thinkmeter.schema.attributes` and nothing else of ours."""
