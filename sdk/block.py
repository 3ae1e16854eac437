"""A stretch of work with a scope: usable as `with`, as `async with`, and as a decorator on any kind of function."""

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import Token
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind
from opentelemetry.util.types import AttributeValue

from thinkmeter.schema import attributes as names
from thinkmeter.sdk.clock import Time, nanoseconds
from thinkmeter.sdk.health import contained
from thinkmeter.sdk.runtime import active
from thinkmeter.sdk.scope import Scope, current_scope, within
from thinkmeter.sdk.span import finish

P = ParamSpec("P")
R = TypeVar("R")


class Block(ABC):
    """Opens a scope for the code inside, and closes it once. Never raises; never keeps an exception from passing."""

    def __init__(self) -> None:
        """Not open yet."""
        self._context: Context | None = None
        self._token: Token[Context] | None = None

    @abstractmethod
    def _again(self) -> Self:
        """A block like this one that was never opened: a decorated function opens one per invocation."""

    @abstractmethod
    def _open(self) -> Context:
        """Begin, and give the context for the code inside."""

    @abstractmethod
    def _close(self, error: BaseException | None) -> None:
        """End; `error` is what the code inside raised."""

    def __enter__(self) -> Self:
        """Begin."""
        with contained(f"opening {type(self).__name__.lower()}"):
            self._context = self._open()
            self._token = context.attach(self._context)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, and let what was raised pass."""
        with contained(f"closing {type(self).__name__.lower()}"):
            token, self._token = self._token, None
            if token is not None:
                context.detach(token)
            self._close(error)

    async def __aenter__(self) -> Self:
        """Begin."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, and let what was raised pass."""
        self.__exit__(kind, error, trace)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function, coroutine function, generator function or asynchronous one: each call is a block."""
        if inspect.isasyncgenfunction(function):
            return cast(Callable[P, R], self._around_async_generator(function))
        if inspect.isgeneratorfunction(function):
            return cast(Callable[P, R], self._around_generator(function))
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
                with self._again():
                    return await function(*args, **kwargs)

            return cast(Callable[P, R], coroutine)

        @functools.wraps(function)
        def plain(*args: P.args, **kwargs: P.kwargs) -> R:
            with self._again():
                return function(*args, **kwargs)

        return plain

    @contextmanager
    def _step(self) -> Iterator[None]:
        """Run one step of a generator inside the block, and the code that waits for the next step outside of it."""
        token = None if self._context is None else context.attach(self._context)
        try:
            yield
        finally:
            if token is not None:
                context.detach(token)

    @contextmanager
    def _stepwise(self) -> Iterator[None]:
        """Open at the first step, close after the last."""
        with contained("opening a block"):
            self._context = self._open()
        error: BaseException | None = None
        try:
            yield
        except GeneratorExit:  # the consumer wanted no more
            raise
        except BaseException as raised:
            error = raised
            raise
        finally:
            with contained("closing a block"):
                self._close(error)

    def _around_generator(self, function: Callable[P, Any]) -> Callable[P, Any]:
        @functools.wraps(function)
        def generator(*args: P.args, **kwargs: P.kwargs) -> Generator[Any, Any, Any]:
            block = self._again()
            with block._stepwise():
                inner: Generator[Any, Any, Any] = function(*args, **kwargs)
                step: Callable[[], Any] = functools.partial(next, inner)
                while True:
                    try:
                        with block._step():
                            item = step()
                    except StopIteration as stop:
                        return stop.value
                    try:
                        step = functools.partial(inner.send, (yield item))
                    except GeneratorExit:
                        with block._step():
                            inner.close()
                        raise
                    except BaseException as thrown:  # noqa: BLE001 (the inner generator's to handle)
                        step = functools.partial(inner.throw, thrown)

        return generator

    def _around_async_generator(self, function: Callable[P, Any]) -> Callable[P, AsyncIterator[Any]]:
        @functools.wraps(function)
        async def generator(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Any, Any]:
            block = self._again()
            with block._stepwise():
                inner: AsyncGenerator[Any, Any] = function(*args, **kwargs)
                step: Callable[[], Any] = inner.__anext__
                while True:
                    try:
                        with block._step():
                            item = await step()
                    except StopAsyncIteration:
                        return
                    try:
                        step = functools.partial(inner.asend, (yield item))
                    except GeneratorExit:
                        with block._step():
                            await inner.aclose()
                        raise
                    except BaseException as thrown:  # noqa: BLE001 (the inner generator's to handle)
                        step = functools.partial(inner.athrow, thrown)

        return generator


class Entity(Block):
    """A block with an INTERNAL span of its own: a request or an attempt. It may lie in the past."""

    def __init__(self, start: Time | None, end: Time | None) -> None:
        """Note the times of a block that is replayed."""
        super().__init__()
        self._start_ns = nanoseconds(start)
        self._end_ns = nanoseconds(end)
        self._latest_ns = self._start_ns or 0
        self._span: Span = trace.INVALID_SPAN

    @property
    def moment_ns(self) -> int | None:
        """When things happen that say no time of their own, in nanoseconds since the epoch; None: now."""
        if self._start_ns is None:
            return None
        return self._end_ns or self._latest_ns

    def happened(self, at_ns: int) -> None:
        """Take note of the end of something inside."""
        self._latest_ns = max(self._latest_ns, at_ns)

    def context(self) -> Context:
        """The context for code that belongs here, whichever thread or task it runs in."""
        here = context.get_current()
        if self._context is None or self._holds(current_scope(here)):
            return here
        return self._context

    @abstractmethod
    def _holds(self, scope: Scope) -> bool:
        """Whether that scope lies inside this block."""

    def _begin(self, name: str, scope: Scope, parent: Context, own: dict[str, AttributeValue]) -> Context:
        """Start the span, and give the context inside."""
        runtime = active()
        if runtime is not None:
            starter = runtime.starter()
            kept = starter.kept(parent)
            if kept is not None:
                scope = Scope({**scope.attributes, names.SAMPLING_PROBABILITY: kept}, scope.request, scope.attempt)
            attributes = {**scope.attributes, **own}
            self._span = starter.start(name, parent, SpanKind.INTERNAL, attributes, self._start_ns)
            parent = trace.set_span_in_context(self._span, parent)
        return within(scope, parent)

    def _close(self, error: BaseException | None) -> None:
        """End the span."""
        span, self._span = self._span, trace.INVALID_SPAN
        found: dict[str, AttributeValue] = {}
        if error is not None:
            found[names.ERROR_TYPE] = type(error).__qualname__
        finish(span, found, failed=error is not None, end_ns=self.moment_ns)


class Part(Block):
    """A part of a request or attempt, marked on every span started inside."""

    def __init__(self, owner: Entity, marks: dict[str, AttributeValue]) -> None:
        """Mark with these attributes."""
        super().__init__()
        self._owner = owner
        self._marks = marks

    def _again(self) -> Self:
        return type(self)(self._owner, self._marks)

    def _open(self) -> Context:
        ctx = self._owner.context()
        scope = current_scope(ctx)
        return within(Scope({**scope.attributes, **self._marks}, scope.request, scope.attempt), ctx)

    def _close(self, error: BaseException | None) -> None:
        """A part has no span that could end."""
