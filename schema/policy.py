"""What holds for a task class: targets, minimum samples, the baseline of CPQ, the verifier that decides."""

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from thinkmeter.schema.errors import ThinkmeterError

DEFAULT: Final = "default"
"""The section that holds for task classes without one of their own, and the root of all parents."""

Share = Annotated[float, Field(ge=0, le=1)]


class Policy(BaseModel):
    """`[policy.TASK]`: what holds for one task class."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    baseline_accuracy: Share | None = Field(default=None, description="pinned baseline of CPQ; absent: measured")
    p95_factor: float = Field(default=2.0, ge=1, description="a runaway thinks more than this many times the p95")
    runaway_floor_tokens: int = Field(default=1000, ge=0, description="below it nothing is a runaway")
    thinking_cap_tokens: int | None = Field(default=None, gt=0, description="runaway threshold while there is no p95")
    parent: str = Field(default=DEFAULT, min_length=1, description="task class whose p95 serves while this has none")
    escalation_target: Share = Field(default=0.20, description="EscR is meant to stay below it")
    precision_target: Share = Field(default=0.95, description="VRate is meant to stay above it")
    min_requests: int = Field(default=20, ge=1, description="TTR needs as many requests")
    min_labels: int = Field(default=30, ge=1, description="CPQ, VRate and EscR need as many labels or verdicts")
    verifier: str | None = Field(default=None, description="whose verdict decides; absent: the last one")
    tier_mix: tuple[Share, Share, Share] = Field(
        default=(0.65, 0.25, 0.10), description="share of requests that tiers 1, 2 and 3 are meant to answer"
    )
    ttft_target_ms: float | None = Field(default=None, gt=0, description="time to the first token, in milliseconds")

    @field_validator("tier_mix")
    @classmethod
    def _whole(cls, mix: tuple[float, float, float]) -> tuple[float, float, float]:
        if abs(sum(mix) - 1) > 0.01:
            raise ValueError(f"the three shares add up to {sum(mix):g}, not to 1")
        return mix


class Policies(Mapping[str, Policy]):
    """Policy of every task class: those with a section of their own, and `default` for all others.

    Iterating gives the sections, `default` first; looking up gives a policy for any task class.
    """

    def __init__(self, sections: Mapping[str, Policy]) -> None:
        """Take complete policies, as the store keeps them; `default` is added where it is absent."""
        self._sections = {DEFAULT: sections.get(DEFAULT, Policy()), **sections}

    @classmethod
    def from_sections(cls, sections: Mapping[str, Mapping[str, Any]]) -> Self:
        """Read the sections of the configuration; what one does not set comes from `default`.

        Raises:
            ThinkmeterError: an unknown key, a value out of bounds, a parent that does not exist, or parents
                in a circle. The message names the place.
        """
        inherited = dict(sections.get(DEFAULT, {}))
        read = {task: _read(task, {**inherited, **section}) for task, section in sections.items()}
        policies = cls(read)
        for task in policies:
            policies._follow_parents(task)
        return policies

    @classmethod
    def from_json(cls, settings: Mapping[str, str]) -> Self:
        """Read what the store keeps: task class -> its policy as JSON.

        Raises:
            ThinkmeterError: one of them is of another version.
        """
        return cls({task: _read(task, json.loads(text)) for task, text in settings.items()})

    def __getitem__(self, task: str) -> Policy:
        """The policy that holds for a task class, whether or not it has a section."""
        return self._sections.get(task, self._sections[DEFAULT])

    def __iter__(self) -> Iterator[str]:
        """Task classes with a section, `default` first."""
        return iter(self._sections)

    def __len__(self) -> int:
        """How many sections there are, `default` included."""
        return len(self._sections)

    def __contains__(self, task: object) -> bool:
        """Whether a task class has a section of its own."""
        return task in self._sections

    def _follow_parents(self, task: str) -> None:
        passed = [task]
        while passed[-1] != DEFAULT:
            parent = self[passed[-1]].parent
            if parent not in self:
                near = difflib.get_close_matches(parent, self._sections, n=1, cutoff=0)
                raise ThinkmeterError(
                    f"policy.{passed[-1]}.parent: there is no section policy.{parent}; the nearest is policy.{near[0]}"
                )
            if parent in passed:
                circle = " -> ".join([*passed, parent])
                raise ThinkmeterError(f"policy.{passed[-1]}.parent: the parents go in a circle: {circle}")
            passed.append(parent)


def _read(task: str, section: Mapping[str, Any]) -> Policy:
    try:
        return Policy.model_validate(section)
    except ValidationError as error:
        [first, *_] = error.errors()
        place = ".".join(["policy", task, *(str(part) for part in first["loc"])])
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(first["loc"][0]), Policy.model_fields, n=1, cutoff=0)
            raise ThinkmeterError(f"{place}: there is no such key; the nearest is {near[0]!r}") from None
        reason = first["msg"].removeprefix("Value error, ")
        raise ThinkmeterError(f"{place}: {reason}, not {first['input']!r}") from None
