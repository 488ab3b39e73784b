"""Which items are shown first: by title, tags, addresses and vault, and by what they are made for."""

from __future__ import annotations

from mayfly.cli.init import ranking
from mayfly.cli.init.items import Overview


def item(title: str, category: str = "LOGIN", vault: str = "Private", **more: tuple[str, ...]) -> Overview:
    return Overview(title, title, "v", vault, category, **more)


AWS_KEY = item("AWS", "API_CREDENTIAL")
CONSOLE = item("Console", urls=("https://123456789012.signin.aws.amazon.com/console",))
TAGGED = item("Work", "PASSWORD", tags=("aws/prod",))
IN_VAULT = item("Root", vault="AWS accounts")
GITHUB = item("GitHub", "API_CREDENTIAL")
SHOP = item("Amazon", urls=("https://www.amazon.com",))
LAWS = item("Laws of nature")
CARD = item("AWS card", "CREDIT_CARD")
ALL = [LAWS, SHOP, GITHUB, CARD, IN_VAULT, TAGGED, CONSOLE, AWS_KEY]


def test_items_about_aws_come_first() -> None:
    """A shop and a law are not about AWS, and a credit card holds no key under any name."""
    assert [AWS_KEY, CONSOLE, TAGGED, GITHUB, IN_VAULT, SHOP, LAWS] == ranking.with_keys(ALL)
    assert [AWS_KEY, CONSOLE, TAGGED, IN_VAULT] == ranking.likely_with_keys(ALL)
    assert [GITHUB] == ranking.likely_with_keys([LAWS, SHOP, GITHUB])


def test_a_code_is_looked_for_in_logins() -> None:
    """Of items that are about AWS as much, a Login comes first."""
    assert CONSOLE == ranking.likely_with_code([TAGGED, CONSOLE])[0]
    assert [] == ranking.likely_with_code([LAWS, SHOP, GITHUB])
