"""The items that look as if they had an access key, and that the config lacks: the next ones for `init`."""

from __future__ import annotations

from collections.abc import Iterable
from shlex import quote

from mayfly.cli import config_file, speech
from mayfly.cli.init import ranking
from mayfly.cli.init.items import Overview
from mayfly.config.model import Config, KeyProfile


# The password to AWS's console is in one.
_LOGIN = "LOGIN"


def hint(listed: Iterable[Overview], config: Config | None, given_config: str | None) -> None:
    """Name the next item, if the list of items was read and has one."""
    found = items(listed, config)
    command = " ".join(["mayfly init", *map(quote, config_file.option(given_config))])
    if len(found) == 1:
        speech.hint(f"another access key? {command} --item {found[0].reference}   # {found[0].shown}")
    elif found:
        speech.hint(f"another access key? {command}   # {len(found)} more items look as if they had one")


def items(listed: Iterable[Overview], config: Config | None) -> list[Overview]:
    """The items that look as if they had an access key, without those of which the config has a reference."""
    profiles = config.profiles.values() if config else ()
    references = [text for one in profiles if isinstance(one, KeyProfile) for text in one.references()]
    known = {tuple(reference.split("/")[2:4]) for reference in references}
    return [
        item for item in ranking.likely_with_keys(listed) if item.category != _LOGIN and not known & _names_of(item)
    ]


def _names_of(item: Overview) -> set[tuple[str, ...]]:
    """Vault and item, by IDs and by names."""
    return {(vault, name) for vault in (item.vault_id, item.vault) for name in (item.id, item.title)}
