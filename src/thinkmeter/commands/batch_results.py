"""Result files of the providers' batch endpoints, as rows of past calls.

A line is read by the readers of the SDK, so that a batch's tokens mean what those of a live call mean. Shapes: the
batch references of OpenAI, Anthropic, Google (Gemini API and Vertex AI), Mistral and Amazon Bedrock, as of November
2026.
"""

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from thinkmeter.collector.call_files import Row
from thinkmeter.collector.labels import BadRow
from thinkmeter.schema.errors import ThinkmeterError
from thinkmeter.sdk.asked import at, entry, text
from thinkmeter.sdk.bedrock import ClaudeConverse, Converse, InvokedChat, InvokedMessages
from thinkmeter.sdk.endpoints import CLIENTS, HOSTS, Endpoint, endpoint_of
from thinkmeter.sdk.gemini import Gemini
from thinkmeter.sdk.replies import Chat, Messages, MistralChat, Reply, Responses
from thinkmeter.sdk.usage import Usage, other_models

FORMATS: Final = ("openai", "anthropic", "gemini", "mistral", "bedrock")
SERVICE_TIER: Final = "batch"
MISTRAL_MODELS: Final = (
    "codestral", "devstral", "magistral", "ministral", "mistral", "open-mistral", "open-mixtral", "pixtral", "voxtral"
)  # fmt: skip
"""How the names of Mistral's own models begin; its lines are otherwise those of OpenAI."""


class _Failed(Exception):
    """A request of the batch that the provider did not answer, and why."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Answer:
    """What one line holds: who answered, in whose form, when, and to which request of the batch."""

    provider: str
    reply: Reply
    custom_id: str
    time: object


def format_of(values: Mapping[str, Any]) -> str | None:
    """Whose batch a line comes from; None: it is no line of a batch."""
    if "recordId" in values and not values.keys().isdisjoint(("modelOutput", "modelInput", "error")):
        return "bedrock"
    if "custom_id" in values and isinstance(values.get("result"), Mapping):
        return "anthropic"
    if "custom_id" in values and ("response" in values or "error" in values):
        model = str(at(values, ("response", "body", "model")) or "").rpartition("/")[2]
        return "mistral" if model.startswith(MISTRAL_MODELS) else "openai"
    if isinstance(at(values, ("response", "candidates")), list) or ("key" in values and "error" in values):
        return "gemini"
    if isinstance(at(values, ("response", "usageMetadata")), Mapping) or {"status", "request"} <= values.keys():
        return "gemini"
    return None


class BatchResults:
    """Lines of one file of results, as rows of `PastCalls`.

    Attributes:
        failed: requests that the provider did not answer and does not bill, with their line and the reason.
    """

    def __init__(self, format: str, *, time: dt.datetime | None, request_id: str, constants: Mapping[str, str]) -> None:
        """Remember what the lines do not say.

        Args:
            format: one of `FORMATS`.
            time: of calls whose line has none.
            request_id: of each request; `{custom_id}` in it stands for the batch's own id of the request.
            constants: columns that are the same in every row.
        """
        self._format = format
        self._time = time
        self._request_id = request_id
        self._constants = constants
        self.failed: list[BadRow] = []

    def rows(self, lines: Iterable[Row]) -> Iterator[Row]:
        """A row for each answer, and one for each further inference that is billed with it.

        Raises:
            ThinkmeterError: a line has no time and none was given, or is no result.
        """
        for line, values in lines:
            try:
                answer = self._read(values, line)
            except _Failed as failure:
                self.failed.append(BadRow(line, str(failure)))
                continue
            if answer.time is None and self._time is None:
                raise ThinkmeterError(
                    f"line {line} does not say when the call was made: give the time of the batch, as in "
                    "--at 2026-11-20T06:00Z"
                )
            reply = answer.reply
            if not reply.model and "model" not in self._constants:
                raise ThinkmeterError(
                    f"line {line} does not say which model answered: give that of the batch, as in "
                    "--set model=amazon.nova-pro-v1:0"
                )
            yield line, self._row(answer, reply.model or "", reply.usage(thinking_off=False), 0)
            if isinstance(reply, Messages) and reply.raw:
                for number, (model, usage) in enumerate(other_models(reply.raw), 1):
                    yield line, self._row(answer, model or reply.model or "", usage, number)

    def _read(self, values: Mapping[str, Any], line: int) -> _Answer:
        match self._format:
            case "anthropic":
                return _anthropic(values)
            case "gemini":
                return _gemini(values)
            case "bedrock":
                return _bedrock(values, line, self._constants.get("model", ""))
            case "mistral" | "openai":
                return _chat(values, line, self._format, self._constants.get("provider"))
        raise ValueError(self._format)

    def _row(self, answer: _Answer, model: str, usage: Usage, number: int) -> dict[str, Any]:
        reply = answer.reply
        request_id = self._request_id.replace("{custom_id}", answer.custom_id) or answer.custom_id
        one = f"{answer.provider}\0{reply.response_id or request_id}\0{number}"
        return {
            "time": answer.time if answer.time is not None else self._time,
            "request_id": request_id,
            # of the answer alone, so that the same file at another --at changes its calls and adds none
            "trace_id": hashlib.sha256(f"request {request_id}".encode()).hexdigest()[:32],
            "span_id": hashlib.sha256(one.encode()).hexdigest()[:16],
            "provider": answer.provider,
            "model": model,
            "operation": reply.operation,
            "service_tier": SERVICE_TIER,
            "input_tokens": usage.input,
            "cache_read_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write,
            "cache_write_1h_tokens": usage.cache_write_1h,
            "output_tokens": usage.output,
            "thinking_tokens": usage.thinking,
            "thinking_source": usage.source,
            "cost_usd": usage.cost_usd,
            "finish_reason": next(iter(reply.finish_reasons.values()), ""),
            "error_type": reply.error or "",
            "response_id": reply.response_id or "",
            "attributes": {"thinkmeter.batch.custom_id": answer.custom_id} if answer.custom_id else {},
            **self._constants,
        }


def _chat(values: Mapping[str, Any], line: int, format: str, provider: str | None) -> _Answer:
    """A line of OpenAI's, of Mistral's, or of one that is compatible with them."""
    custom_id = text(values.get("custom_id")) or ""
    status, body = at(values, ("response", "status_code")), at(values, ("response", "body"))
    error = values.get("error") or at(values, ("response", "body", "error"))
    if error or not isinstance(body, Mapping) or (isinstance(status, int) and status >= 400):
        raise _Failed(f"{custom_id}: {_told(error) or 'no answer'}{f' (status {status})' if status else ''}")
    kind, model = entry(body, "object"), text(entry(body, "model")) or ""
    endpoint = _compatible(provider) if provider else _own(format, model)
    reply: Reply
    if kind == "response":
        reply = Responses(endpoint)
    elif isinstance(entry(body, "choices"), list):
        reply = MistralChat(endpoint) if endpoint is HOSTS["mistral.ai"] else Chat(endpoint)
    else:
        raise ThinkmeterError(
            f"line {line} holds neither a chat completion nor a response ({kind or 'no object'}): only those are calls"
        )
    reply.whole(body)
    created = entry(body, "created_at") or entry(body, "created")
    return _Answer(endpoint.provider, reply, custom_id, created)


def _own(format: str, model: str) -> Endpoint:
    if format == "mistral":
        return HOSTS["mistral.ai"]
    found = endpoint_of("", model)
    return found if found.provider not in ("", "self_hosted") else HOSTS["openai.com"]


def _compatible(provider: str) -> Endpoint:
    known = (*HOSTS.values(), *CLIENTS.values())
    return next((endpoint for endpoint in known if endpoint.provider == provider), Endpoint(provider))


def _anthropic(values: Mapping[str, Any]) -> _Answer:
    custom_id = text(values.get("custom_id")) or ""
    kind, message = at(values, ("result", "type")), at(values, ("result", "message"))
    if kind != "succeeded" or not isinstance(message, Mapping):
        told = _told(at(values, ("result", "error", "error")) or at(values, ("result", "error")))
        raise _Failed(f"{custom_id}: {kind or 'no result'}{f', {told}' if told else ''}")
    reply = Messages(HOSTS["anthropic.com"])
    reply.whole(message)
    return _Answer("anthropic", reply, custom_id, None)


def _gemini(values: Mapping[str, Any]) -> _Answer:
    """A line of the Gemini API (`key`), or of Vertex AI (`status`, `processed_time`, the request itself)."""
    key = text(values.get("key")) or text(at(values, ("request", "labels", "custom_id"))) or ""
    body, error = values.get("response"), values.get("error") or values.get("status")
    if error or not isinstance(body, Mapping) or not body:
        raise _Failed(f"{key}: {_told(error) or 'no answer'}")
    on_vertex = "status" in values or "processed_time" in values
    reply = Gemini(HOSTS["aiplatform.googleapis.com" if on_vertex else "generativelanguage.googleapis.com"])
    candidates = entry(body, "candidates")
    reply.whole(
        {
            "usage_metadata": entry(body, "usageMetadata"),
            "response_id": entry(body, "responseId"),
            "model_version": entry(body, "modelVersion"),
            "candidates": [{"finish_reason": entry(c, "finishReason"), "index": entry(c, "index")} for c in candidates]
            if isinstance(candidates, list)
            else [],
        }
    )
    time = entry(body, "createTime") or values.get("processed_time")
    return _Answer(reply.endpoint.provider, reply, key or reply.response_id or "", time)


def _bedrock(values: Mapping[str, Any], line: int, model: str) -> _Answer:
    """A line of Bedrock's: what the model's maker answers by InvokeModel, or what Converse does."""
    record, body, error = text(values.get("recordId")) or "", values.get("modelOutput"), values.get("error")
    if error or not isinstance(body, Mapping) or not body:
        raise _Failed(f"{record}: {_told(error) or 'no answer'}")
    endpoint = HOSTS["amazonaws.com"]
    reply: Reply
    if entry(body, "type") == "message":
        reply = InvokedMessages(endpoint)
    elif isinstance(at(body, ("output", "message")), Mapping):
        reply = (ClaudeConverse if "claude" in model else Converse)(endpoint)
    else:
        reply = InvokedChat(endpoint)
    reply.whole(body)
    if reply.raw is None and isinstance(entry(body, "inputTextTokenCount"), int):  # Amazon's Titan
        written = [entry(result, "tokenCount") for result in entry(body, "results") or ()]
        reply.raw = {"inputTokenCount": body["inputTextTokenCount"], "outputTokenCount": sum(map(int, written))}
    if reply.raw is None:
        raise ThinkmeterError(
            f"line {line} holds no token counts, so that it is no answer of a model that thinkmeter knows"
        )
    return _Answer(endpoint.provider, reply, record, None)


def _told(error: object) -> str:
    """An error in a provider's words, in one line."""
    if isinstance(error, Mapping):
        parts = (
            error.get("type") or error.get("code") or error.get("errorCode") or error.get("status"),
            error.get("message") or error.get("errorMessage"),
        )
        error = ": ".join(str(part) for part in parts if part)
    return " ".join(str(error or "").split())[:300]
