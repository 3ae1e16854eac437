"""Loading with no change of code, by `opentelemetry-instrument`."""

from typing import Any

from thinkmeter.sdk.instrument import instrument, uninstrument


class ThinkmeterInstrumentor:
    """What the entry point group `opentelemetry_instrumentor` asks for: a class with these two methods.

    Settings come from the environment. The loader has set the application's tracer provider before.
    """

    def instrument(self, **_: Any) -> None:
        """Do as `thinkmeter.instrument()`; the loader's own arguments are about dependency checks."""
        instrument()

    def uninstrument(self, **_: Any) -> None:
        """Do as `thinkmeter.uninstrument()`."""
        uninstrument()
