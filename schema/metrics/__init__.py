"""What the numbers mean: one SQL file a metric with what it needs, one module beside it that computes it.

The arithmetic is pure functions over counted ingredient rows, so that the report, the dashboard and the alerts
give the same number. See `catalogue` for the list and `estimate` for what comes out.
"""
