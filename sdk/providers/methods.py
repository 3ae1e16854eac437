"""Client libraries whose calls are methods: what happens around one, whole or streamed, synchronous or not.

A library is a subclass that says which methods make a call, and how to read what goes in and what comes out;
docs/providers/own.md shows one from beginning to end.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar

import wrapt
from opentelemetry import context

from thinkmeter.sdk import guard
from thinkmeter.sdk.asked import Asked
from thinkmeter.sdk.call import Call
from thinkmeter.sdk.health import contained
from thinkmeter.sdk.providers.library import Place, places
from thinkmeter.sdk.replies import Reply
from thinkmeter.sdk.runtime import Runtime, measuring
from thinkmeter.sdk.settings import Settings
from thinkmeter.sdk.stream import AsyncChunks, Chunks

Arguments = dict[str, Any]
"""Arguments of a call by the names of their parameters."""
Args = tuple[Any, ...]


@dataclass(slots=True)
class Opening:
    """One call before it is made.

    Attributes:
        reply: reads what comes back.
        asked: what it asks for.
        server: host and port that it goes to.
        body: the request, for the record of prompts.
    """

    reply: Reply
    asked: Asked
    server: tuple[str, int | None] = ("", None)
    body: Any = None


class Methods:
    """One such library.

    Attributes:
        name: what `instrument(providers=...)` calls it.
        module: the module whose import makes it wrappable.
        methods: `Class.method` -> names of the parameters by which we read a call.
    """

    name: str
    module: str
    methods: ClassVar[Mapping[str, tuple[str, ...]]]

    def open(self, client: Any, method: str, arguments: Arguments) -> Opening | None:
        """What a call of a method asks for, read from the arguments, which are left alone; None: it is no call."""
        raise NotImplementedError

    def deliver(self, result: Any, call: Call) -> Any:
        """Have the result read, now or as the caller reads it, and give what the caller receives."""
        if hasattr(result, "__anext__"):
            return AsyncChunks(result, call)
        if hasattr(result, "__next__"):
            return Chunks(result, call)
        call.whole(result)
        call.end()
        return result

    def clamp(self, arguments: Arguments, asked: Asked, settings: Settings) -> Arguments:
        """Other arguments, with the thinking budget at the cap; the caller's objects are left alone."""
        clamped: Arguments = guard.clamped(arguments, asked, settings)
        return clamped

    def extend(self, opening: Opening, runtime: Runtime, arguments: Arguments) -> Arguments:
        """Other arguments, with a question for usage, where it comes on request only; the same where it need not."""
        return arguments

    def refuses(self, call: Call, error: Exception) -> bool:
        """Whether that error answers what `extend` added: then the call goes out again as the caller wrote it."""
        return False

    def wrap(self, module: ModuleType) -> list[Place]:
        """Wrap the library.

        Returns:
            What was wrapped: owner and name of the attribute.
        """
        found = places(module, self.methods)
        for owner, name in found:
            function = vars(owner)[name]
            parameters = tuple(inspect.signature(function).parameters)[1:]  # without `self`
            wrapt.wrap_function_wrapper(owner, name, self._wrapper(name, parameters, function))
        return found

    def _wrapper(self, name: str, parameters: tuple[str, ...], function: Any) -> Any:
        """What takes the place of a method of that kind."""

        def whole(wrapped: Any, client: Any, args: Args, kwargs: Arguments) -> Any:
            call, sent_args, sent = self._begin(client, name, parameters, args, kwargs)
            if call is None:
                return wrapped(*args, **kwargs)
            token = context.attach(call.context)
            try:
                try:
                    result = wrapped(*sent_args, **sent)
                except Exception as error:
                    if not self._refuses(call, error):
                        raise
                    result = wrapped(*args, **kwargs)
            except BaseException as error:
                call.end(error)
                raise
            finally:
                context.detach(token)
            if hasattr(result, "__await__"):  # a coroutine that does not look like one: wrapped, or made by a function
                return self._deliver_later(result, call)
            return self._deliver(result, call)

        async def awaited(wrapped: Any, client: Any, args: Args, kwargs: Arguments) -> Any:
            call, sent_args, sent = self._begin(client, name, parameters, args, kwargs)
            if call is None:
                return await wrapped(*args, **kwargs)
            token = context.attach(call.context)
            try:
                try:
                    result = await wrapped(*sent_args, **sent)
                except Exception as error:
                    if not self._refuses(call, error):
                        raise
                    result = await wrapped(*args, **kwargs)
            except BaseException as error:
                call.end(error)
                raise
            finally:
                context.detach(token)
            return self._deliver(result, call)

        def generator(wrapped: Any, client: Any, args: Args, kwargs: Arguments) -> Any:
            def generate() -> Any:  # such a method sends when it is first read
                call, sent_args, sent = self._begin(client, name, parameters, args, kwargs)
                source = wrapped(*sent_args, **sent)
                yield from source if call is None else Chunks(source, call)

            return generate()

        def async_generator(wrapped: Any, client: Any, args: Args, kwargs: Arguments) -> Any:
            async def generate() -> Any:
                call, sent_args, sent = self._begin(client, name, parameters, args, kwargs)
                source = wrapped(*sent_args, **sent)
                chunks = source if call is None else AsyncChunks(source, call)
                try:
                    async for chunk in chunks:
                        yield chunk
                finally:
                    await chunks.aclose()

            return generate()

        if inspect.isasyncgenfunction(function):
            return async_generator
        if inspect.isgeneratorfunction(function):
            return generator
        return awaited if inspect.iscoroutinefunction(function) else whole

    def _begin(
        self, client: Any, name: str, parameters: tuple[str, ...], args: Args, kwargs: Arguments
    ) -> tuple[Call | None, Args, Arguments]:
        """Start the call and give the arguments to pass on; no call where nothing can be said.

        Raises:
            ThinkingBudgetExceeded: the one exception that may reach the caller.
        """
        outside = context.get_current()
        runtime = measuring(outside)
        if runtime is None:
            return None, args, kwargs
        refusal: guard.ThinkingBudgetExceeded | None = None
        with contained("preparing a call"):
            arguments = {**dict(zip(parameters, args, strict=False)), **kwargs} if args else kwargs
            opening = self.open(client, name, arguments)
            if opening is None:
                return None, args, kwargs
            changed = arguments
            if guard.exceeds(opening.asked, runtime.settings):
                if runtime.settings.on_exceed == "raise":
                    refusal = guard.refusal(opening.asked, runtime.settings)
                elif runtime.settings.on_exceed == "clamp":
                    changed = self.clamp(arguments, opening.asked, runtime.settings)
            if refusal is None:
                changed = self.extend(opening, runtime, changed)
                # The span is started last: whatever fails before leaves none open.
                call = Call(runtime, opening.reply, opening.asked, opening.server, opening.body, outside)
                if changed is arguments:
                    return call, args, kwargs
                # What was passed by position still is: another wrapper below may count on it.
                positions = parameters[: len(args)]
                rest = {name: value for name, value in changed.items() if name not in positions}
                return call, tuple(changed[name] for name in positions), rest
        if refusal is not None:
            raise refusal
        return None, args, kwargs

    def _refuses(self, call: Call, error: Exception) -> bool:
        refused = False
        with contained("reading a refusal"):
            refused = self.refuses(call, error)
        return refused

    def _deliver(self, result: Any, call: Call) -> Any:
        """What the caller receives."""
        with contained("reading a result"):
            return self.deliver(result, call)
        call.end()
        return result

    async def _deliver_later(self, result: Any, call: Call) -> Any:
        """The same, of a result that is awaited first."""
        try:
            found = await result
        except BaseException as error:
            call.end(error)
            raise
        return self._deliver(found, call)
