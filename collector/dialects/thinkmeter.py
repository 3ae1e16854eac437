"""Our own: the context that the SDK stamps on every span, its own spans, and theirs."""

from typing import Final

from thinkmeter.collector.dialects.dialect import Names
from thinkmeter.schema import attributes as a

EVERYWHERE: Final[Names] = {
    "entity": (a.ENTITY,),
    "host": (a.SERVER_ADDRESS,),
    "request_id": (a.REQUEST_ID,),
    "task": (a.TASK,),
    "tier": (a.TIER,),
    "attempt": (a.ATTEMPT,),
    "strategy": (a.STRATEGY,),
    "sample": (a.SAMPLE,),
    "role": (a.ROLE,),
    "phase": (a.PHASE,),
    "service_tier": (a.SERVICE_TIER,),
    "budget_tokens": (a.THINKING_BUDGET_TOKENS,),
    "cache_write_1h_tokens": (a.CACHE_WRITE_1H_TOKENS,),
    "thinking_source": (a.THINKING_SOURCE,),
    "reported_cost_usd": (a.USAGE_COST_USD,),
    "time_to_first_answer_s": (a.TIME_TO_FIRST_ANSWER,),
    "usage_raw": (a.USAGE_RAW,),
    "sampling_probability": (a.SAMPLING_PROBABILITY,),
    "error_type": (a.ERROR_TYPE,),
    "user_id": (a.USER_ID, "enduser.id"),
    "session_id": (a.SESSION_ID, a.CONVERSATION_ID),
}
"""What is read on every span, also on those that no dialect claims."""
