"""Which revision a call goes to."""

from collections.abc import Sequence

from stentor_common.errors import NotFound
from stentor_deploy.errors import NotReady
from stentor_deploy.routing import Route, Target

STRIDE = 61
"""Shares no divisor with 100, so that a hundred calls in a row fall on each per cent once, well mixed."""


def named(route: Route, revision: str) -> Target:
    """The target with this number or id. Raises NotFound."""
    for target in route.targets:
        if revision in (str(target.number), str(target.revision_id), target.revision_id.hex):
            return target
    raise NotFound(
        f"the deployment {route.name!r} has no revision {revision[:64]!r} that can be called; "
        f"there {_known(route.targets)}",
        param="revision",
    )


def _known(targets: Sequence[Target]) -> str:
    numbers = ", ".join(str(target.number) for target in targets)
    return f"is {numbers}" if len(targets) == 1 else f"are {numbers or 'none'}"


class Traffic:
    """Splits the calls of deployments by percent, exactly over each hundred of them."""

    def __init__(self) -> None:
        self._calls: dict[str, int] = {}

    def choose(self, route: Route) -> Target:
        """The target of the next call that names no revision. Raises NotReady."""
        if len(route.targets) == 1 and route.targets[0].percent:
            return route.targets[0]
        count = self._calls.get(route.name, 0)
        self._calls[route.name] = count + 1
        left = count * STRIDE % 100
        for target in route.targets:
            left -= target.percent
            if left < 0:
                return target
        raise NotReady(not_ready(route))

    def forget(self, name: str) -> None:
        self._calls.pop(name, None)


def not_ready(route: Route) -> str:
    if route.targets:
        return f"no revision of {route.name!r} gets its calls: promote one, or name one as `revision`"
    state = f"it is {route.state}" if route.state else "none of its revisions is ready"
    return f"the deployment {route.name!r} cannot be called yet: {state}"
