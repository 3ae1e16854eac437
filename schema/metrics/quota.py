"""Daily use of thinking by one user or session, against what they are allowed."""

from typing import Any

from thinkmeter.schema.metrics.cells import Cells
from thinkmeter.schema.metrics.estimate import Estimate, State
from thinkmeter.schema.policy import Policy


def quota(cells: Cells, _: Policy) -> Estimate:
    """Thinking tokens of one user or session on one day; raw counts, sampled traffic is not weighed.

    Args:
        cells: the row of `quota.sql` of that day.

    Returns:
        `n` is the number of answering calls. Calls whose thinking is unknown, and those of sampled traffic, are counted
        in `detail`: with any, the use is at least what is said, and where nothing is known there is no value.
    """
    used, limit = cells.count("used_tokens"), int(cells["limit_tokens"].max())
    calls, unknown = cells.count("calls"), cells.count("unknown_calls")
    sampled = cells.count("sampled_calls")
    detail: dict[str, Any] = {
        "limit_tokens": limit if limit >= 0 else None,
        "used_share": used / limit if limit > 0 and calls > unknown else None,
        "over": (used > limit or None if unknown else used > limit) if limit >= 0 else None,
        "left_tokens": max(limit - used, 0) if limit >= 0 and not unknown else None,
        "requests": cells.count("requests"),
        "unknown_calls": unknown,
        "sampled_calls": sampled,
        "at_least": unknown > 0 or sampled > 0,
        # all users or sessions of that day, of whom not each has a row
        "owners": cells.count("owners"),
        "owners_over": cells.count("owners_over"),
        "owners_sampled": cells.count("owners_sampled"),
    }
    if calls == unknown:
        return Estimate.insufficient(calls, f"thinking is unknown: {unknown} of {calls} calls", detail)
    return Estimate(float(used), None, None, calls, State.OK, detail)
