"""Streams on their way to the caller: read in passing, and ended exactly once, however they end."""

import copy
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from thinkmeter.sdk.call import Call


class Chunks:
    """Iterates in a provider's iterator's place. Dropped unread, it ends the call when it is collected."""

    __slots__ = ("_call", "_source")

    def __init__(self, source: Iterator[Any], call: Call) -> None:
        """Take the iterator's place."""
        self._source = source
        self._call = call

    def __iter__(self) -> Iterator[Any]:
        """The same, for less a chunk. Left before its end it ends nothing: the caller may come back for the rest."""
        call = self._call
        try:
            if call.stopped:
                yield next(self)
            # A loop without a call of ours for most of what passes: chunks that are only more of the answer.
            for chunk in self._source:
                is_more = call.is_more
                if is_more is not None and is_more(chunk):
                    yield chunk
                elif not call.chunk(chunk):
                    yield chunk
                    if call.stopped:
                        yield next(self)
        except StopIteration:
            return
        except GeneratorExit:
            raise
        except BaseException as error:
            call.end(error)
            raise
        call.end()

    def __next__(self) -> Any:
        """The next chunk that is the caller's."""
        if self._call.stopped:
            refusal = self._call.stop()
            self.close()
            raise refusal or StopIteration
        while True:
            try:
                chunk = next(self._source)
            except StopIteration:
                self._call.end()
                raise
            except BaseException as error:
                self._call.end(error)
                raise
            is_more = self._call.is_more
            if (is_more is not None and is_more(chunk)) or not self._call.chunk(chunk):
                return chunk

    def close(self) -> None:
        """Close the source, where it can be closed."""
        self._call.end()
        close = getattr(self._source, "close", None)
        if close is not None:
            close()

    def __del__(self) -> None:
        """The caller wanted no more."""
        self._call.end()


class AsyncChunks:
    """The same for asynchronous iterators."""

    __slots__ = ("_call", "_source")

    def __init__(self, source: AsyncIterator[Any], call: Call) -> None:
        """Take the iterator's place."""
        self._source = source
        self._call = call

    def __aiter__(self) -> "AsyncChunks":
        """Itself."""
        return self

    async def __anext__(self) -> Any:
        """The next chunk that is the caller's."""
        if self._call.stopped:
            refusal = self._call.stop()
            await self.aclose()
            raise refusal or StopAsyncIteration
        while True:
            try:
                chunk = await self._source.__anext__()
            except StopAsyncIteration:
                self._call.end()
                raise
            except BaseException as error:  # also CancelledError: the task that reads was cancelled
                self._call.end(error)
                raise
            is_more = self._call.is_more
            if (is_more is not None and is_more(chunk)) or not self._call.chunk(chunk):
                return chunk

    async def aclose(self) -> None:
        """Close the source, where it can be closed."""
        self._call.end()
        close = getattr(self._source, "aclose", None)
        if close is not None:
            await close()

    def __del__(self) -> None:
        """The caller wanted no more."""
        self._call.end()


@functools.cache
def subclass(kind: Any, changes: Callable[[Any], dict[str, Any]]) -> type[Any]:
    """A subclass of a client library's class that does some things differently, by the same name."""
    return type(kind.__name__, (kind,), {"__module__": kind.__module__, **changes(kind)})


def _closing(kind: Any) -> dict[str, Any]:
    """A stream that ends the call when it is closed."""

    def close(self: Any) -> Any:
        try:
            return kind.close(self)
        finally:
            self._thinkmeter_call.end()

    async def async_close(self: Any) -> Any:
        try:
            return await kind.close(self)
        finally:
            self._thinkmeter_call.end()

    return {"close": async_close if inspect.iscoroutinefunction(kind.close) else close}


def _iterating(kind: Any) -> dict[str, Any]:
    """A stream that is iterated in passing, and ends the call when it is closed."""

    def __iter__(self: Any) -> Iterator[Any]:
        # Not `yield from`: a caller who leaves the loop may come back to the stream.
        for chunk in self._thinkmeter_chunks:  # noqa: UP028
            yield chunk

    return {**_closing(kind), "__iter__": __iter__}


def observe(stream: Any, call: Call, *, asynchronous: bool) -> None:
    """Read a client library's stream in passing. It stays the same object, of a subclass of its class.

    A subclass, not attributes of the object: a bound method that the caller took keeps working and keeps it alive.
    """
    # The iterator is made anew from a copy: a generator that refers to the stream itself would form a cycle with it,
    # and a dropped stream would end, and give its connection back, whenever the garbage collector comes by.
    kind: Any = type(stream)
    twin = object.__new__(kind)
    twin.__dict__.update(stream.__dict__)
    twin.__dict__.pop("_iterator", None)
    source = twin.__stream__()
    stream._iterator = AsyncChunks(source, call) if asynchronous else Chunks(source, call)
    _take(stream, call, _closing)


def replace_iterator(stream: Any, name: str, call: Call) -> None:
    """Read a stream in passing whose iterator is an attribute of that name and does not refer to the stream."""
    source = getattr(stream, name)
    setattr(stream, name, AsyncChunks(source, call) if hasattr(source, "__anext__") else Chunks(source, call))
    _take(stream, call, _closing)


def replace_iteration(stream: Any, name: str, call: Call) -> None:
    """Read a stream in passing whose `__iter__` makes a new generator each time, over one attribute of that name."""
    twin = copy.copy(stream)  # see above; so is the attribute, a generator that refers to its owner
    setattr(twin, name, twin._create_raw_event_generator())
    setattr(stream, name, getattr(twin, name))
    stream._thinkmeter_chunks = Chunks(iter(twin), call)
    _take(stream, call, _iterating)


def _take(stream: Any, call: Call, changes: Callable[[Any], dict[str, Any]]) -> None:
    stream._thinkmeter_call = call
    kind: Any = type(stream)
    stream.__class__ = subclass(kind, changes)
