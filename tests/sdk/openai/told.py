"""What the provider says in the tests of the OpenAI client."""

from tests.sdk.told import Told
from thinkmeter.schema import attributes as names

TOLD = Told()
COUNTS = {names.INPUT_TOKENS: 1200, names.OUTPUT_TOKENS: 640, names.REASONING_OUTPUT_TOKENS: 512}
