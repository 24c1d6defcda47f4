"""What rules NetworkPolicies become."""

import re
from typing import Any

import pytest

from stentor_dev.paper.policies import FORBIDDEN, Member, table

Object = dict[str, Any]

WEB = Member("10.0.0.1", "shop", {"app": "web", "tier": "front"}, {"http": 8080})
DATA = Member("10.0.0.2", "shop", {"app": "data"}, {"http": 9000})
GUEST = Member("10.0.0.3", "guests", {"app": "web"}, {"http": 8080})
ALL = [WEB, DATA, GUEST]


def policy(selector: Object, namespace: str = "shop", **spec: Any) -> Object:
    return {"metadata": {"namespace": namespace}, "spec": {"podSelector": selector, **spec}}


def chains(*policies: Object, labels: dict[str, dict[str, str]] | None = None) -> dict[str, list[str]]:
    """What is allowed, by direction and the last number of the pod's address; the free ones are not there."""
    text = table(policies, ALL, labels or {})
    found = re.findall(r"chain (\w+)_10_0_0_(\d) \{\n(.*?)\n  \}", text, re.DOTALL)
    made = {f"{way} {pod}": [line.strip() for line in lines.splitlines()] for way, pod, lines in found}
    assert all(lines.pop() == FORBIDDEN for lines in made.values())
    assert all(line.endswith("return") for lines in made.values() for line in lines)
    return {name: [line.removesuffix("return").strip() for line in lines] for name, lines in made.items()}


def test_without_policies_everybody_is_free() -> None:
    assert chains() == {}


def test_an_empty_selector_is_everybody_in_the_namespace_of_the_policy() -> None:
    assert chains(policy({}, policyTypes=["Ingress", "Egress"])) == {
        "ingress 1": [],
        "ingress 2": [],
        "egress 1": [],
        "egress 2": [],
    }


def test_a_policy_that_does_not_say_its_types_is_of_ingress_and_of_egress_if_it_has_such_rules() -> None:
    web = {"matchLabels": {"app": "web"}}
    assert chains(policy(web)) == {"ingress 1": []}
    assert chains(policy(web, egress=[{}])) == {"ingress 1": [], "egress 1": [""]}


def test_rules_without_types_of_theirs_do_nothing() -> None:
    assert chains(policy({}, policyTypes=["Egress"], ingress=[{}])) == {"egress 1": [], "egress 2": []}


def test_what_several_policies_allow_is_allowed() -> None:
    one, other = ({"ports": [{"port": port}]} for port in (80, 443))
    data = {"matchLabels": {"app": "data"}}
    assert chains(policy(data, ingress=[one]), policy({}, ingress=[other, one])) == {
        "ingress 1": ["tcp dport 443", "tcp dport 80"],
        "ingress 2": ["tcp dport 80", "tcp dport 443"],
    }


@pytest.mark.parametrize(
    ("peer", "addresses"),
    [
        ({"podSelector": {}}, {"10.0.0.1", "10.0.0.2"}),
        ({"podSelector": {"matchLabels": {"app": "web"}}}, {"10.0.0.1"}),
        ({"namespaceSelector": {}}, {"10.0.0.1", "10.0.0.2", "10.0.0.3"}),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "guests"}}}, {"10.0.0.3"}),
        ({"namespaceSelector": {"matchLabels": {"open": "yes"}}}, {"10.0.0.3"}),
        ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}, {"10.0.0.1", "10.0.0.3"}),
    ],
)
def test_peers_are_chosen_by_their_labels_and_those_of_their_namespaces(
    peer: Object, addresses: set[str]
) -> None:
    rules = policy({"matchLabels": {"app": "data"}}, ingress=[{"from": [peer]}])
    found = chains(rules, labels={"guests": {"open": "yes"}})
    assert found == {"ingress 2": [f"ip saddr {address}" for address in sorted(addresses)]}


@pytest.mark.parametrize(
    ("expression", "pods"),
    [
        ({"key": "app", "operator": "In", "values": ["data", "other"]}, {"2"}),
        ({"key": "app", "operator": "NotIn", "values": ["data"]}, {"1"}),
        ({"key": "tier", "operator": "NotIn", "values": ["back"]}, {"1", "2"}),
        ({"key": "tier", "operator": "Exists"}, {"1"}),
        ({"key": "tier", "operator": "DoesNotExist"}, {"2"}),
    ],
)
def test_selectors_have_expressions(expression: Object, pods: set[str]) -> None:
    assert chains(policy({"matchExpressions": [expression]})).keys() == {f"ingress {pod}" for pod in pods}


def test_blocks_of_addresses_have_exceptions() -> None:
    world = {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "192.168.0.0/16"]}}
    sixth = {"ipBlock": {"cidr": "::/0", "except": ["fc00::/7"]}}
    rules = policy({"matchLabels": {"app": "data"}}, policyTypes=["Egress"], egress=[{"to": [world, sixth]}])
    assert chains(rules) == {
        "egress 2": [
            "ip daddr 0.0.0.0/0 ip daddr != { 10.0.0.0/8, 192.168.0.0/16 }",
            "ip6 daddr ::/0 ip6 daddr != { fc00::/7 }",
        ]
    }


def test_ports_have_protocols_and_ranges() -> None:
    ports = [{"port": 53, "protocol": "UDP"}, {"port": 100, "endPort": 200}, {"protocol": "UDP"}]
    rules = policy({"matchLabels": {"app": "data"}}, ingress=[{"ports": ports}])
    assert chains(rules) == {"ingress 2": ["udp dport 53", "tcp dport 100-200", "meta l4proto udp"]}


def test_a_named_port_is_the_called_pods_own() -> None:
    ports = [{"port": "http"}]
    coming = policy({}, ingress=[{"ports": ports}])
    assert chains(coming) == {"ingress 1": ["tcp dport 8080"], "ingress 2": ["tcp dport 9000"]}
    to: list[Object] = [{"podSelector": {}}]
    both = ["ip daddr 10.0.0.1 tcp dport 8080", "ip daddr 10.0.0.2 tcp dport 9000"]
    web = {"matchLabels": {"app": "web"}}
    assert chains(policy(web, policyTypes=["Egress"], egress=[{"to": to, "ports": ports}])) == {
        "egress 1": both
    }
    anybody = chains(policy(web, policyTypes=["Egress"], egress=[{"ports": ports}]))
    assert anybody == {"egress 1": [*both, "ip daddr 10.0.0.3 tcp dport 8080"]}


def test_a_name_that_nobody_has_opens_nothing() -> None:
    assert chains(policy({}, ingress=[{"ports": [{"port": "metrics"}]}])) == {
        "ingress 1": [],
        "ingress 2": [],
    }
