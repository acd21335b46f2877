"""Address: what the name of a ledger means, and what of it may be shown."""

from __future__ import annotations

import pytest

from meter.address import file_of, masked


@pytest.mark.parametrize(
    ("ledger", "file"),
    [
        ("ledger.db", "ledger.db"),
        ("C:\\data\\ledger.db", "C:\\data\\ledger.db"),
        ("sqlite:///ledger.db", "ledger.db"),
        ("sqlite:////srv/ledger.db", "/srv/ledger.db"),
        ("sqlite:///~/ledger.db", "~/ledger.db"),
        ("postgresql://host/db", None),
        ("sqlite:///postgresql://host/db", None),
        ("postgresql:/host/db", None),
        ("C:/data/ledger.db", "C:/data/ledger.db"),
        ("data/a:/ledger.db", "data/a:/ledger.db"),
        ("sqlite:///", None),
        ("sqlite:///:memory:", None),
    ],
)
def test_a_path_and_the_url_of_a_file_mean_the_file(ledger: str, file: str | None) -> None:
    assert file_of(ledger) == file


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@host/db", "postgresql://u:***@host/db"),
        ("postgresql://u:s@c/r:t@host:5432/db", "postgresql://u:***@host:5432/db"),
        ("postgresql:/u:secret@host/db", "postgresql:/u:***@host/db"),
        ("clickhouse://:secret@host", "clickhouse://:***@host"),
        ("postgresql://u@host/db?password=secret&user=u", "postgresql://u@host/db?password=***&user=u"),
        ("https://host/db?x=1&api_KEY=secret", "https://host/db?x=1&api_KEY=***"),
        ("https://host/db?auth_token=secret&sslPassword=a%26b", "https://host/db?auth_token=***&sslPassword=***"),
        ("postgresql://u@host/db", "postgresql://u@host/db"),
        ("postgresql://host:5432/db", "postgresql://host:5432/db"),
        ("sqlite:////srv/a:b@c?key=d/ledger.db", "sqlite:////srv/a:b@c?key=d/ledger.db"),
        ("/srv/a:b@c/ledger.db", "/srv/a:b@c/ledger.db"),
    ],
)
def test_a_password_in_a_url_is_masked_and_nothing_else(url: str, shown: str) -> None:
    assert masked(url) == shown
    assert masked(shown) == shown
