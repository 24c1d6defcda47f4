"""Whom credentials belonged to a moment ago, so that few requests need a query."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from stentor_common.auth import Identity

REMEMBER = timedelta(seconds=15)
"""How long an answer is believed. What another process removes or revokes may work this long here."""

MOST = 10_000


@dataclass(frozen=True, slots=True)
class Proof:
    """What the database said about a credential."""

    identity: Identity
    expires_at: datetime | None
    read_at: datetime


class Recent:
    """A bounded memory of proofs, by a hash of the credential or by a user's id."""

    def __init__(self) -> None:
        self._proofs: dict[str, Proof] = {}

    def find(self, key: str, now: datetime) -> Proof | None:
        proof = self._proofs.get(key)
        return proof if proof and now - proof.read_at < REMEMBER else None

    def note(self, key: str, proof: Proof) -> None:
        if len(self._proofs) >= MOST:
            self._proofs.clear()
        self._proofs[key] = proof

    def forget(self, user_id: uuid.UUID) -> None:
        """Something of this user was removed or revoked: ask again."""
        for key in [key for key, proof in self._proofs.items() if proof.identity.user_id == user_id]:
            del self._proofs[key]
