"""thinkmeter: where reasoning models spend their thinking tokens, and whether it pays."""

__version__ = "0.1.0"
