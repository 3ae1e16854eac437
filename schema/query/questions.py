"""Asking the store: so that a question is planned soon, and with what is known of prices sent along."""

from functools import partial
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from clickhouse_connect.driver.query import QueryResult

from thinkmeter.schema.errors import RetryableError, ThinkmeterError
from thinkmeter.schema.query.known import Known
from thinkmeter.schema.query.sent import WITH_HEAD, Sent, divided
from thinkmeter.schema.query.settings import PriceState
from thinkmeter.schema.store.client import StoreAddress, connect

WITHOUT: Final = (
    "optimize_and_compare_chain",
    "optimize_redundant_comparisons",
    "optimize_extract_common_expressions",
    "optimize_normalize_count_variants",
    "optimize_injective_functions_inside_uniq",
    "optimize_or_like_chain",
    "optimize_arithmetic_operations_in_aggregate_functions",
    "optimize_redundant_functions_in_order_by",
    "optimize_truncate_order_by_after_group_by_keys",
    "optimize_multiif_to_if",
    "optimize_time_filter_with_preimage",
    "optimize_syntax_fuse_functions",
    "optimize_rewrite_sum_if_to_count_if",
    "optimize_empty_string_comparisons",
    "optimize_rewrite_aggregate_function_with_if",
    "optimize_rewrite_array_exists_to_has",
    "optimize_rewrite_has_to_in",
    "optimize_dictget_tuple_element",
    "optimize_rewrite_like_perfect_affix",
    "optimize_rewrite_regexp_functions",
    "optimize_aggregators_of_group_by_keys",
    "optimize_injective_functions_in_group_by",
    "optimize_group_by_function_keys",
    "optimize_limit_by_function_keys",
    "optimize_injective_functions_in_limit_by",
    "optimize_inverse_dictionary_lookup",
    "optimize_uniq_to_count",
    "compile_expressions",
    "compile_aggregate_expressions",
    "compile_sort_description",
)
"""What the store does to a question before it runs, and which takes it longer than it saves: each walks through all of
the question once more, and the first through all of its subqueries for each comparison. Answers are the same."""
SENT: Final = ("price_arrays", "rate_arrays")
"""Views of one row that questions read as they are planned, which takes longer than to send the row along."""
SENT_S: Final = 600.0
"""How long such a row is kept: it holds for as long as the prices are the same ones."""


def planned_soon(client: Client) -> dict[str, int]:
    """Settings by which the store plans without what is in `WITHOUT`, as far as this client may set them."""
    known = {name: client.server_settings.get(name) for name in WITHOUT}
    return {name: 0 for name, setting in known.items() if setting is not None and not setting.readonly}


class Questions:
    """A connection that asks; for one thread at a time.

    Attributes:
        client: which refuses whatever writes.
    """

    def __init__(self, address: StoreAddress, known: Known) -> None:
        """Connect.

        Args:
            address: of the store.
            known: where rows of `SENT` are kept.

        Raises:
            ThinkmeterError: wrong credentials or database.
            RetryableError: the store does not answer.
        """
        self._address, self._known = address, known
        self.client = connect(address, read_only=True)
        for name, setting in planned_soon(self.client).items():
            self.client.set_client_setting(name, setting)

    def ask(self, sql: str, values: dict[str, Any], prices: PriceState | None = None) -> QueryResult:
        """The answer, column by column; times in it have a time zone.

        Args:
            sql: the question.
            values: what it is bound to, by name; and rows that are sent along, by the name of their table.
            prices: the ones that hold; None: the question looks for itself.

        Raises:
            RetryableError: the store does not answer.
            ThinkmeterError: it refuses.
        """
        try:
            bound, sent = divided(values if prices is None else {**values, **self._sent(sql, prices)})
            return self.client.query(sql, parameters=bound, column_oriented=True, tz_mode="aware", external_data=sent)
        except OperationalError as error:
            raise RetryableError(f"the store at {self._address.host}:{self._address.port} does not answer") from error
        except DatabaseError as error:
            raise ThinkmeterError(f"the store refused the question: {str(error).splitlines()[0][:300]}") from error

    def _sent(self, sql: str, prices: PriceState) -> dict[str, Sent]:
        views = [view for view in SENT if f"FROM {view}" in sql]
        return {view: self._known.told((view, prices), partial(self._row, view), SENT_S)[0] for view in views}

    def _row(self, view: str) -> Sent:
        return Sent.told(self.client.raw_query(f"SELECT * FROM {view}", fmt=WITH_HEAD))
