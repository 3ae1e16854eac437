"""The metrics once more, in plain Python from METRICS.md and the generator's truth: the oracle of the whole.

Shares nothing with the product: it reads the truth file, asks genai-prices call by call, and does its own statistics.
"""
