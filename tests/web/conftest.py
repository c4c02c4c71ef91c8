"""What the tests of the webhook stand on."""

from tests.web.receiving import server, world  # noqa: F401  (fixtures)
