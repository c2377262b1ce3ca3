"""Connections by psycopg 3: a new one each time; for a pool of them see README."""

from typing import Any

import psycopg

from .map import Endpoint
from .router import Connect


def psycopg_connect(**options: Any) -> Connect:
    """A `Connect` whose options are libpq's (user, sslmode, sslrootcert, …); the address comes from the map."""

    def connect(endpoint: Endpoint) -> psycopg.Connection[Any]:
        return psycopg.connect(**connection_parameters(endpoint, **options))

    return connect


def connection_parameters(endpoint: Endpoint, **options: Any) -> dict[str, Any]:
    """What `psycopg.connect` needs for one pooler; also for `psycopg_pool.ConnectionPool(kwargs=…)`."""
    address = {"host": endpoint.host, "port": endpoint.port, "dbname": endpoint.dbname}
    if endpoint.hostaddr:
        address["hostaddr"] = endpoint.hostaddr
    # A pooler in transaction mode may hand the next transaction to a server that has no such prepared statement.
    return {"connect_timeout": 5, **options, **address, "prepare_threshold": None}
