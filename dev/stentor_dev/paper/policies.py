"""NetworkPolicies as rules of nftables, for pods whose packets one node forwards.

The meaning is that of `networking.k8s.io/v1`: a pod that no policy of a direction selects is free in it; one
that some select may do what any of their rules allows. Both ends of a connection must allow it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
Labels = Mapping[str, str]

FORBIDDEN = "reject with icmp type admin-prohibited"
"""Real plugins mostly drop. This tells the caller at once, and not what a closed port tells."""

TABLE = """
table inet policies
delete table inet policies
table inet policies {{
  chain forward {{
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    {leaving}
    {arriving}
  }}
{chains}
}}
"""
CHAIN = """
  chain {name} {{
    {lines}
  }}"""


@dataclass(frozen=True, slots=True)
class Member:
    """A pod as policies see it."""

    address: str
    namespace: str
    labels: Labels = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    """Those that its containers name."""


@dataclass(frozen=True, slots=True)
class Way:
    """A direction, seen from the pod that a policy selects."""

    kind: str
    peers: str
    """What the list of peers is called in a rule."""
    own: str
    other: str
    """How nftables calls the pod's own address, and the peer's."""


INGRESS, EGRESS = Way("Ingress", "from", "daddr", "saddr"), Way("Egress", "to", "saddr", "daddr")


def table(policies: Sequence[Object], members: Sequence[Member], namespaces: Mapping[str, Labels]) -> str:
    """What `nft -f` replaces all rules by. Policies have their namespace in `metadata`; `namespaces` has the
    labels of those that have more than their name."""
    return _Translation(policies, members, namespaces).table()


@dataclass(frozen=True, slots=True)
class _Translation:
    policies: Sequence[Object]
    members: Sequence[Member]
    namespaces: Mapping[str, Labels]

    def table(self) -> str:
        chains = {
            way: {pod.address: lines for pod in self.members if (lines := self._chain(pod, way))}
            for way in (EGRESS, INGRESS)
        }
        written = [
            CHAIN.format(name=_name(way, address), lines="\n    ".join(lines))
            for way, found in chains.items()
            for address, lines in found.items()
        ]
        leaving, arriving = (_jumps(way, found) for way, found in chains.items())
        return TABLE.format(leaving=leaving, arriving=arriving, chains="".join(written))

    def _chain(self, pod: Member, way: Way) -> list[str]:
        """Empty where nothing cuts the pod off."""
        isolating = [each for each in self.policies if way.kind in _kinds(each) and self._selects(each, pod)]
        lines = [line for each in isolating for line in self._allowed(each, pod, way)]
        return [*dict.fromkeys(lines), FORBIDDEN] if isolating else []

    def _allowed(self, policy: Object, pod: Member, way: Way) -> Iterator[str]:
        for rule in policy["spec"].get(way.kind.lower()) or []:
            for port in rule.get("ports") or [{}]:
                listed = rule.get(way.peers)
                if not listed and way is EGRESS and isinstance(port.get("port"), str):
                    # Anybody, but each pod has names of its own for ports.
                    listed = [{"namespaceSelector": {}}]
                for match, peer in self._peers(policy, listed, way):
                    what = _port(port, pod if way is INGRESS else peer)
                    if what is not None:
                        yield " ".join(filter(None, (match, what, "return")))

    def _peers(
        self, policy: Object, listed: Sequence[Object] | None, way: Way
    ) -> Iterator[tuple[str, Member | None]]:
        """Expressions that match their addresses, and the pod where it is one."""
        if not listed:
            yield "", None
        for peer in listed or ():
            if block := peer.get("ipBlock"):
                yield _block(block, way), None
                continue
            for pod in self.members:
                if self._is_peer(policy, peer, pod):
                    yield f"ip {way.other} {pod.address}", pod

    def _selects(self, policy: Object, pod: Member) -> bool:
        return pod.namespace == policy["metadata"]["namespace"] and selects(
            policy["spec"]["podSelector"], pod.labels
        )

    def _is_peer(self, policy: Object, peer: Object, pod: Member) -> bool:
        if "namespaceSelector" in peer:
            labels = {"kubernetes.io/metadata.name": pod.namespace, **self.namespaces.get(pod.namespace, {})}
            if not selects(peer["namespaceSelector"], labels):
                return False
        elif pod.namespace != policy["metadata"]["namespace"]:
            return False
        return selects(peer.get("podSelector", {}), pod.labels)


def selects(selector: Object, labels: Labels) -> bool:
    """Whether a label selector does; an empty one selects everything."""
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(name) == value for name, value in wanted.items()) and all(
        _holds(each, labels) for each in selector.get("matchExpressions") or []
    )


def _holds(expression: Object, labels: Labels) -> bool:
    key = expression["key"]
    match expression["operator"]:
        case "In":
            return labels.get(key) in expression["values"]
        case "NotIn":
            return labels.get(key) not in expression["values"]
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case other:
            raise ValueError(f"label selectors have no operator {other!r}")


def _kinds(policy: Object) -> Sequence[str]:
    spec = policy["spec"]
    usual = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    return spec.get("policyTypes") or usual


def _block(block: Object, way: Way) -> str:
    family = "ip6" if ":" in block["cidr"] else "ip"
    match = f"{family} {way.other} {block['cidr']}"
    if block.get("except"):
        match += f" {family} {way.other} != {{ {', '.join(block['except'])} }}"
    return match


def _port(port: Object, owner: Member | None) -> str | None:
    """None: a name that nobody there has, which matches nothing."""
    protocol = port.get("protocol", "TCP").lower()
    number = port.get("port")
    if isinstance(number, str):
        number = owner.ports.get(number) if owner else None
        if number is None:
            return None
    if number is None:
        return f"meta l4proto {protocol}" if port else ""
    last = f"-{port['endPort']}" if "endPort" in port else ""
    return f"{protocol} dport {number}{last}"


def _name(way: Way, address: str) -> str:
    return f"{way.kind.lower()}_{address.replace('.', '_')}"


def _jumps(way: Way, addresses: Mapping[str, Any]) -> str:
    jumps = ", ".join(f"{address} : jump {_name(way, address)}" for address in addresses)
    return f"ip {way.own} vmap {{ {jumps} }}" if jumps else ""
