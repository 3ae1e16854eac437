"""Makes the baselines of runaways, once a minute."""

import datetime as dt

from clickhouse_connect.driver.client import Client

from thinkmeter.schema.alerting.baselines import make_baselines, minute_of


def refresh_baselines(client: Client) -> int:
    """Make the baselines of this minute, of every project and task class; how many were made.

    None where they stand already, so it may run more often than once a minute; the sooner in a minute, the better,
    since requests that begin in it are judged by what had settled before it.
    """
    return make_baselines(client, [minute_of(dt.datetime.now(dt.UTC))])
