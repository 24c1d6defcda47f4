"""Who does a capability's work, by the names that clients use: this installation, or vendors outside."""

from collections.abc import Mapping
from dataclasses import dataclass

from stentor_common.catalog import Offer
from stentor_common.errors import BadInput


class UnknownProvider(BadInput):
    code = "unknown_provider"


class ProviderNotConfigured(BadInput):
    code = "provider_not_configured"


@dataclass(frozen=True, slots=True)
class Providers:
    """Of one capability. `aliases`, a setting, say which of them answers in the place of another."""

    capability: str
    local: str
    """This installation itself."""
    vendors: tuple[str, ...]
    """Outside providers that clients of the published contracts name."""

    def choose(self, name: str | None, aliases: Mapping[str, str]) -> str:
        """The provider that does the work. Raises UnknownProvider, ProviderNotConfigured."""
        asked = (name or self.local).strip().lower()
        found = aliases.get(asked, asked)
        if found == self.local:
            return found
        if found in self.vendors:
            raise ProviderNotConfigured(
                f"the provider {asked!r} needs credentials that this installation does not have; use "
                f"{self.local!r}",
                param="provider",
            )
        known = ", ".join((self.local, *self.vendors))
        raise UnknownProvider(f"there is no provider {asked[:64]!r}; known are {known}", param="provider")

    def offers(self, aliases: Mapping[str, str]) -> list[Offer]:
        """What is told about outside providers: who answers in their place, or that nobody does."""
        return [self._offer(name, aliases.get(name)) for name in self.vendors]

    def _offer(self, name: str, alias: str | None) -> Offer:
        if alias:
            return Offer(self.capability, name, "", True, f"answered by {alias}")
        reason = "needs credentials that this installation does not have"
        return Offer(self.capability, name, "", False, reason)
