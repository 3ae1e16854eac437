"""A request: one user-facing unit of work of one task class, answered in one or more attempts."""

import itertools
import uuid
from typing import Self

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.util.types import AttributeValue

from thinkmeter.schema import attributes as names
from thinkmeter.sdk.attempt import Attempt
from thinkmeter.sdk.block import Entity, Part
from thinkmeter.sdk.clock import Time
from thinkmeter.sdk.scope import Scope, current_scope
from thinkmeter.sdk.values import known


class Request(Entity):
    """Made by `thinkmeter.request()`.

    Attributes:
        id: names the request, for labels that come later.
        task: its task class.
    """

    def __init__(
        self,
        task: str,
        *,
        user: str | None = None,
        session: str | None = None,
        request_id: str | None = None,
        start: Time | None = None,
        end: Time | None = None,
        attributes: dict[str, AttributeValue] | None = None,
    ) -> None:
        """See `thinkmeter.request()`."""
        super().__init__(start, end)
        self._given = {
            "user": user,
            "session": session,
            "request_id": request_id,
            "start": start,
            "end": end,
            "attributes": attributes,
        }
        self.task = str(task)
        self.id = str(request_id) if request_id else uuid.uuid4().hex
        self._ordinals = itertools.count(1)
        self.scope = Scope(
            known(
                {
                    **(attributes or {}),
                    names.REQUEST_ID: self.id,
                    names.TASK: self.task,
                    names.USER_ID: user,
                    names.SESSION_ID: session,
                }
            ),
            request=self,
        )

    def attempt(
        self,
        *,
        tier: int | None = None,
        strategy: str | None = None,
        effort: str | None = None,
        number: int | None = None,
        start: Time | None = None,
        end: Time | None = None,
        **attributes: AttributeValue,
    ) -> Attempt:
        """One rung of a cascade: a try at one tier, of one call or several.

        Args:
            tier: 1 fast, 2 balanced, 3 precision.
            strategy: `greedy`, `chain_of_thought`, `best_of_n`, `self_consistency`, ... or your own.
            effort: reasoning effort that this attempt is about, as the provider spells it.
            number: ordinal in the request, where attempts are recorded by several processes; else counted from 1.
            start: when it began, if it lies in the past.
            end: when it ended; without it, the end of the last thing recorded inside.
            attributes: further attributes of every span inside.

        Returns:
            The attempt: a context manager, synchronous or not, and a decorator.
        """
        return Attempt(
            self,
            tier=tier,
            strategy=strategy,
            effort=effort,
            number=number,
            start=start,
            end=end,
            attributes=attributes,
        )

    def role(self, role: str) -> Part:
        """Mark calls of the request that are no attempt's answer: `router`, `verifier`."""
        return Part(self, {names.ROLE: role})

    def phase(self, phase: str) -> Part:
        """Mark a phase of an agent: `planning`, `tool_selection`, `interpretation`, `recovery`, or your own."""
        return Part(self, {names.PHASE: phase})

    def next_ordinal(self) -> int:
        """The number of the next attempt: 1, 2, ..."""
        return next(self._ordinals)

    def _again(self) -> Self:
        return type(self)(self.task, **self._given)  # type: ignore[arg-type]

    def _holds(self, scope: Scope) -> bool:
        return scope.request is self

    def _open(self) -> Context:
        self._ordinals = itertools.count(1)
        return self._begin(f"request {self.task}", self.scope, context.get_current(), {names.ENTITY: "request"})


def request(
    task: str,
    *,
    user: str | None = None,
    session: str | None = None,
    request_id: str | None = None,
    start: Time | None = None,
    end: Time | None = None,
    **attributes: AttributeValue,
) -> Request:
    """One user-facing unit of work: every call inside is counted to it.

    Args:
        task: task class; metrics are per task class.
        user: on whose behalf, for quotas and for forgetting.
        session: the user's session.
        request_id: names the request; None: one is made, see `Request.id`.
        start: when it began, if it lies in the past.
        end: when it ended; without it, the end of the last thing recorded inside.
        attributes: further attributes of every span inside.

    Returns:
        The request: a context manager, synchronous or not, and a decorator (then each call is a request of its own).
    """
    return Request(task, user=user, session=session, request_id=request_id, start=start, end=end, attributes=attributes)


def current_request() -> Request | None:
    """The request of this process that the running code is in."""
    return current_scope().request
