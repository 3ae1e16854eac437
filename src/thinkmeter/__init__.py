"""thinkmeter: where reasoning models spend their thinking tokens, and whether it pays.

Importing this loads OpenTelemetry's API and nothing heavier; `instrument()` loads the rest.
"""

from thinkmeter.sdk.attempt import Attempt, attempt, current_attempt
from thinkmeter.sdk.cascade import Cascade, Rung, Step, Trail, cascade
from thinkmeter.sdk.guard import ThinkingBudgetExceeded
from thinkmeter.sdk.health import Health, SignalHealth
from thinkmeter.sdk.instrument import flush, health, instrument, uninstrument
from thinkmeter.sdk.quota import Quota, quota
from thinkmeter.sdk.record import record_call
from thinkmeter.sdk.request import Request, current_request, request
from thinkmeter.sdk.verdict import Verdict, label

__version__ = "0.1.0"

__all__ = [
    "Attempt",
    "Cascade",
    "Health",
    "Quota",
    "Request",
    "Rung",
    "SignalHealth",
    "Step",
    "ThinkingBudgetExceeded",
    "Trail",
    "Verdict",
    "attempt",
    "cascade",
    "current_attempt",
    "current_request",
    "flush",
    "health",
    "instrument",
    "label",
    "quota",
    "record_call",
    "request",
    "uninstrument",
]
