"""mistralai: chat, agents, fill-in-the-middle and embeddings, at Mistral's own address, on Azure and Google Cloud."""

from typing import Any, Final
from urllib.parse import urlsplit

from thinkmeter.sdk.asked import Asked, text
from thinkmeter.sdk.call import Call
from thinkmeter.sdk.embeddings import MistralEmbeddings
from thinkmeter.sdk.endpoints import endpoint_of
from thinkmeter.sdk.providers.methods import Arguments, Methods, Opening
from thinkmeter.sdk.replies import MistralChat, Reply
from thinkmeter.sdk.stream import replace_iterator

METHODS: Final = ("complete", "complete_async", "stream", "stream_async")
EMBEDDINGS: Final = ("create", "create_async")


class Mistral(Methods):
    """One resource of the library."""

    name = "mistralai"

    def __init__(
        self,
        module: str,
        resource: str,
        subject: str = "model",
        methods: tuple[str, ...] = METHODS,
        kind: type[Reply] = MistralChat,
    ) -> None:
        """Name its module and class, the parameter that says who shall answer, and how the replies are read."""
        self.module = module
        self.methods = {f"{resource}.{method}": (subject,) for method in methods}  # type: ignore[misc]  # per resource
        self._kind = kind

    def open(self, client: Any, method: str, arguments: Arguments) -> Opening:
        """A call: every parameter is named, as in the body that is sent."""
        model = text(arguments.get("model")) or ""
        url = urlsplit(text(arguments.get("server_url")) or client.sdk_configuration.get_server_details()[0])
        host = url.hostname or ""
        endpoint = endpoint_of(host, model, PLATFORMS.get(self.module.split(".")[1], "Mistral"))
        asked = self._kind.shape.read(arguments, Asked(model, stream=method.startswith("stream")))
        return Opening(self._kind(endpoint), asked, (host, url.port), arguments)

    def deliver(self, result: Any, call: Call) -> Any:
        """A stream keeps its class and gets another iterator."""
        if call.asked.stream:
            replace_iterator(result, "generator", call)
            return result
        return super().deliver(result, call)


PLATFORMS: Final = {"azure": "Foundry", "gcp": "Vertex"}
"""Part of the library -> whose platform it speaks to."""

MISTRAL: Final = (
    Mistral("mistralai.client.chat", "Chat"),
    Mistral("mistralai.client.agents", "Agents", "agent_id"),
    Mistral("mistralai.client.fim", "Fim"),
    Mistral("mistralai.client.embeddings", "Embeddings", methods=EMBEDDINGS, kind=MistralEmbeddings),
    Mistral("mistralai.azure.client.chat", "Chat"),
    Mistral("mistralai.gcp.client.chat", "Chat"),
    Mistral("mistralai.gcp.client.fim", "Fim"),
)
"""Every resource that answers or embeds."""
