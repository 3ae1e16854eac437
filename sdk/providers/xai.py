"""xai-sdk, which speaks gRPC: the methods that send one request each. Its own spans of them are left out."""

from types import ModuleType
from typing import Any, Final

import wrapt
from opentelemetry.trace import NoOpTracer

from thinkmeter.sdk.asked import Asked, text
from thinkmeter.sdk.call import Call
from thinkmeter.sdk.endpoints import HOSTS
from thinkmeter.sdk.providers.library import Place
from thinkmeter.sdk.providers.methods import Arguments, Methods, Opening
from thinkmeter.sdk.runtime import active
from thinkmeter.sdk.xai import Xai, message_of, named

METHODS: Final = ("sample", "sample_batch", "stream", "stream_batch", "parse", "_defer", "compact")


class XaiChat(Methods):
    """One of its two modules."""

    name = "xai_sdk"
    methods = {f"Chat.{method}": () for method in METHODS}  # noqa: RUF012 (never changed)

    def __init__(self, module: str) -> None:
        """Name the module."""
        self.module = module

    def open(self, client: Any, method: str, arguments: Arguments) -> Opening:
        """A call, whose request the conversation holds."""
        request = message_of(client)
        asked = Asked(text(request.model) or "", stream="stream" in method)
        if request.HasField("max_tokens"):
            asked.max_tokens = request.max_tokens
        effort = named(request, "reasoning_effort")
        if effort is not None:
            asked.effort = effort.removeprefix("EFFORT_").lower()
            asked.thinking_off = asked.effort == "none"
        return Opening(Xai(HOSTS["x.ai"]), asked, body=request)

    def deliver(self, result: Any, call: Call) -> Any:
        """Several replies to one request share one message."""
        if isinstance(result, list) and result:
            super().deliver(message_of(result), call)
            return result
        return super().deliver(result, call)

    def refuses(self, call: Call, error: Exception) -> bool:
        """Nothing goes out again; but a reply that does not fit the model of the caller is billed: it is read."""
        trace = error.__traceback__
        while trace is not None:
            reply = trace.tb_frame.f_locals.get("response")
            if trace.tb_frame.f_globals.get("__name__") == self.module and hasattr(reply, "usage"):
                call.whole(reply)
                break
            trace = trace.tb_next
        return False

    def wrap(self, module: ModuleType) -> list[Place]:
        """Wrap the module, and what makes its own spans."""
        wrapped = super().wrap(module)
        tracer = getattr(module, "tracer", None)
        if tracer is not None:
            wrapt.wrap_function_wrapper(tracer, "start_as_current_span", _no_span)
            wrapped.append((tracer, "start_as_current_span"))
        return wrapped


def _no_span(wrapped: Any, tracer: Any, args: tuple[Any, ...], kwargs: Arguments) -> Any:
    """A span that is none, as the call has one already."""
    return wrapped(*args, **kwargs) if active() is None else NoOpTracer().start_as_current_span("")


XAI: Final = (XaiChat("xai_sdk.sync.chat"), XaiChat("xai_sdk.aio.chat"))
"""Both modules."""
