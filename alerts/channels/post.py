"""One POST of JSON, and what its outcome means for the next try."""

import datetime as dt
import http.client
import ipaddress
import json
import re
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from thinkmeter.schema.errors import RetryableError

READ_AT_MOST = 4096
"""Bytes of an answer; services say what is wrong in less."""
LONGEST_PAUSE_S = 86400.0


class NotDeliveredError(RetryableError):
    """A channel did not take a message; it may take it later.

    Attributes:
        retry_after_s: what the service asked for, in seconds; 0: nothing.
        perhaps_sent: whether it may have taken it all the same: the message was on its way and no answer came.
        refused: whether it was this message that it did not take, so that others may do better.
    """

    def __init__(
        self, message: str, *, retry_after_s: float = 0.0, perhaps_sent: bool = False, refused: bool = False
    ) -> None:
        """Keep what happened and what it means."""
        super().__init__(message, retry_after_s)
        self.perhaps_sent = perhaps_sent
        self.refused = refused


def post(url: str, payload: dict[str, Any], timeout_s: float) -> None:
    """Post a payload; return once the service took it. Redirects are not followed.

    The URL may be a secret: no message of an error bears it.

    Raises:
        NotDeliveredError: whatever else happened.
    """
    request = urllib.request.Request(
        url,
        data=json.dumps(payload).encode(),
        headers={"Content-Type": "application/json; charset=utf-8", "User-Agent": "thinkmeter"},
        method="POST",
    )
    try:
        with _opener(url).open(request, timeout=timeout_s) as answer:
            answer.read(READ_AT_MOST)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(error) from None
    except urllib.error.URLError as error:  # no connection, or it broke before the message was out
        raise NotDeliveredError(_reason(error.reason)) from None
    except (ValueError, http.client.InvalidURL):  # its text bears the URL
        raise NotDeliveredError("the URL of the channel is no URL that can be posted to", refused=True) from None
    except (OSError, http.client.HTTPException) as error:  # the message was out, and no whole answer came
        raise NotDeliveredError(_reason(error), perhaps_sent=True) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None  # the answer itself is then the error


def _opener(url: str) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if _is_loopback(urlsplit(url).hostname or ""):
        handlers.append(urllib.request.ProxyHandler({}))  # a proxy has another loopback
    return urllib.request.build_opener(*handlers)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refusal(error: urllib.error.HTTPError) -> NotDeliveredError:
    try:
        said = error.read(READ_AT_MOST).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException):
        said = ""
    return NotDeliveredError(
        f"HTTP {error.code} {error.reason}: {said[:300]}".rstrip(": "),
        retry_after_s=retry_after_s(error.headers.get("Retry-After")),
        perhaps_sent=error.code in (502, 504),  # what stands between got no answer
        # asked to slow down, and troubles of the server, concern the channel and not the message
        refused=error.code < 500 and error.code not in (408, 429),
    )


def retry_after_s(header: str | None) -> float:
    """Seconds that a Retry-After asks for: a number, also a fractional one, or a date; 0 where it says neither."""
    if header is None:
        return 0.0
    if re.fullmatch(r"\d{1,9}(\.\d+)?", header.strip()):
        return min(float(header), LONGEST_PAUSE_S)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    pause_s = (at.replace(tzinfo=at.tzinfo or dt.UTC) - dt.datetime.now(dt.UTC)).total_seconds()
    return min(max(0.0, pause_s), LONGEST_PAUSE_S)


def _reason(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return str(reason)[:300] or type(reason).__name__
