"""What a revision was tried with serves it: a model that has just been loaded is not loaded again."""

from dataclasses import dataclass

from stentor_deploy.running import Fleet, LogLine


@dataclass(slots=True)
class Redirected:
    """Lines that a model prints, to where they belong by now."""

    to: LogLine

    def __call__(self, stream: str, line: str, request_id: str) -> None:
        self.to(stream, line, request_id)


@dataclass(frozen=True, slots=True)
class TriedFleet:
    """A fleet that a build made."""

    fleet: Fleet
    lines: Redirected

    def taken_over(self, tell: LogLine) -> Fleet:
        self.lines.to = tell
        return self.fleet
