"""A client of OpenAI."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sdk.clients import openai_client
from tests.sdk.provider_server import ProviderServer


@pytest.fixture
def client(provider: ProviderServer) -> Iterator[Any]:
    with openai_client(provider.port) as made:
        yield made
