"""The ground floor: names, tables, the store and how to reach it, and what each number means.

Imports nothing of the floors above.
"""
