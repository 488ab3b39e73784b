"""The orders for grants' sessions on the wire between daemon and exchange: one JSON object for each subject."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mayfly.shared import grant
from mayfly.shared.grant import GrantOrder, Narrowing
from mayfly.shared.trees import object_of, text_of


def orders_tree(orders: Mapping[str, GrantOrder]) -> dict[str, Any]:
    """Orders as a JSON object."""
    return {subject: _order_tree(order) for subject, order in orders.items()}


def _order_tree(order: GrantOrder) -> dict[str, Any]:
    arns = list(order.narrowing.policy_arns)
    return {"label": order.label, "seconds": order.seconds, "policy": order.narrowing.policy, "policy_arns": arns}


def parse_orders(tree: Any) -> dict[str, GrantOrder]:
    """The inverse of `orders_tree`; raises ValueError or TypeError for anything else, and where there are none.

    This checks types, labels and ids. The exchange checks whether such a session may be ordered.
    """
    if not isinstance(tree, dict) or not tree:
        raise ValueError("no table of orders")
    return {subject: _order(subject, order) for subject, order in tree.items()}


def _order(subject: str, tree: Any) -> GrantOrder:
    tree = object_of(tree, {"label", "seconds", "policy", "policy_arns"})
    label, seconds, policy, arns = tree["label"], tree["seconds"], tree["policy"], tree["policy_arns"]
    if not grant.is_id(grant.grant_id_of(subject)) or not grant.is_label(label):
        raise ValueError("no grant has such an id or label")
    if type(seconds) is not int or not isinstance(policy, str | None) or not isinstance(arns, list):
        raise TypeError("not an order for a grant")
    return GrantOrder(label=label, seconds=seconds, narrowing=Narrowing(policy, tuple(text_of(arn) for arn in arns)))
