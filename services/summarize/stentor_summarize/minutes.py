"""What was decided and who does what, found in the sentences of a meeting by rules. Pure; English.

A sentence counts when it says so in one of the ways listed here; nothing is added to it. The owner is who the
sentence names or, for "I", who speaks; the date is as the sentence puts it. Questions, things denied and
things put off ("we have not decided", "I won't send it") do not count. People speak in more ways than these,
so a meeting may have more tasks than are found.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from stentor_summarize.ordinary_words import listed
from stentor_summarize.sentences import Sentence

LANGUAGE = "en"

_VERBS = listed("""
    add address adjust analyse analyze announce apply approve arrange ask assemble assess assign attend
    audit book bring build buy call cancel change chase check circulate clean clear close collect
    compare compile complete confirm contact coordinate correct create cut decide define deliver deploy
    describe design develop discuss distribute document double-check draft draw edit email e-mail
    evaluate examine explain explore extend file fill finalise finalize find finish fix follow forward
    gather hand handle hire identify implement improve inform install interview introduce invite
    investigate invoice issue join launch lead list look mail maintain make measure meet merge message
    migrate monitor move negotiate notify obtain open order organise organize pay phone pick pilot plan
    post prepare present print produce propose provide publish pull purchase push put raise reach read
    recruit register release remind remove renew rent repair replace reply report request research
    reserve resolve respond return review revise rewrite ring run schedule secure sell send set share
    ship shorten show sign solve speak start store submit summarise summarize supply support survey
    take talk tell test track train translate try turn update upgrade upload verify visit work write
    """)
_VERB = rf"(?P<verb>(?:{'|'.join(_VERBS)})\b)"
_NAME = r"(?:(?:Dr|Mr|Mrs|Ms|Prof)\.? )?[A-Z][\w'\-]+(?: (?:[A-Z]\. )?[A-Z][\w'\-]+){0,2}"
_PEOPLE = rf"(?P<owner>{_NAME}(?:(?:, {_NAME}){{0,5}},? (?:and|&) {_NAME})?)"
_GROUP = (
    r"(?P<group>[Tt]he (?:\w+ )?(?:team|committee|board|council|group|office|department|staff|working group)"
    r"|[Mm]arketing|[Ss]ales|[Ll]egal|[Ff]inance|[Ee]ngineering|[Ss]upport|HR|IT)"
)
_WHO = (
    rf"(?:(?:(?P<beside>{_NAME}(?:, {_NAME}){{0,5}}),? and )?(?P<me>\bI\b)|(?P<us>\b(?:[Ww]e|[Yy]ou)\b)"
    rf"|{_GROUP}|{_PEOPLE})"
)
_SOON = r"(?:(?:also|then|now|just|both|all|please|go ahead and|be sure to|try to)\s+){0,2}"
_WILL = (
    r"(?:\s+will|'ll|\s+shall|\s+(?:am|is|are) going to|'(?:m|re|s) going to|\s+must"
    r"|\s+(?:needs?|has|have|ought|(?:has |have )?(?:agreed|offered|promised|volunteered|undertook)) to"
    r"|'ve got to|\s+(?:has|have) got to|'d better|\s+had better)"
)

_TASKS = (
    re.compile(rf"(?<![\w.]){_WHO}{_WILL}\s+{_SOON}{_VERB}"),
    # As minutes are written: "Anna to send the figures by Friday."
    re.compile(rf"^\W*{_PEOPLE} to {_SOON}{_VERB}"),
    re.compile(rf"(?:(?P<owner>{_NAME}), )?(?:[Cc]an|[Cc]ould|[Ww]ould|[Ww]ill) you {_SOON}{_VERB}"),
    re.compile(rf"(?:^\W*|(?P<owner>{_NAME}), )[Pp]lease {_SOON}{_VERB}"),
    re.compile(rf"{_PEOPLE} (?:is|are) (?:responsible|in charge) (?:for|of) (?P<verb>\w+)"),
    re.compile(rf"\b(?:assigned|given|delegated) to {_PEOPLE}(?P<verb>)"),
    re.compile(r"^\W*(?:action(?: item| point)?|to-?do|next step)s?\s*[:\-–]\s*(?P<verb>\w+)", re.IGNORECASE),  # noqa: RUF001
)

_DECIDED = r"(?:decided|agreed|approved|resolved|voted|chose|chosen|settled on|signed off|opted|elected)"
_SUBJECT = r"(?:we|they|everyone|everybody|all|both|members|directors|councillors|the \w+(?: \w+)?)"
_DECISIONS = (
    re.compile(
        rf"\b{_SUBJECT}(?:'ve| have| has| had)?(?: \w+ly| all| also| then| now)? {_DECIDED}\b",
        re.I,
    ),
    re.compile(rf"\bit (?:was|is|has been|had been)(?: \w+ly| also| then)? {_DECIDED}\b", re.I),
    re.compile(r"\b(?:the |our |final )?decision(?:s)?\s*(?::|(?:is|was) (?:to|that))", re.I),
    re.compile(
        r"\b(?:was|were|is|are|has been|have been)(?: \w+ly)? "
        r"(?:approved|carried|passed|adopted|rejected|accepted|postponed|turned down|cancelled)\b",
        re.I,
    ),
    re.compile(r"\b(?:let's|let us|we're going to|we'll|we will) (?:go|stick) (?:with|for|to)\b", re.I),
)

_DENIED = re.compile(
    r"\b(?:not|never|nobody|no one|none|won't|don't|doesn't|didn't|can't|cannot|haven't"
    r"|hasn't|isn't|aren't|wasn't|shouldn't|mustn't|wouldn't)\b(?! only\b| later than\b)",
    re.I,
)
_PERHAPS = re.compile(r"^\W*(?:if|unless|in case)\b", re.I)
_ASKED = re.compile(r"\?[\"'”)]*$")
_REQUESTED = re.compile(r"\b(?:can|could|would|will) you\b", re.I)

_DAY = r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?)"
)
_ORDINAL = r"\d{1,2}(?:st|nd|rd|th)?"
_CLOCK = r"(?:\d{1,2}:\d{2}(?: ?[ap]\.?m\b\.?)?|\d{1,2} ?[ap]\.?m\b\.?|\d{1,2} o'clock|noon|midnight)"
_DATE = (
    rf"(?:\d{{4}}-\d{{2}}-\d{{2}}|\d{{1,2}}[./]\d{{1,2}}[./]\d{{2,4}}"
    rf"|(?:the )?{_ORDINAL}(?: of)? {_MONTH}(?:,? \d{{4}})?|{_MONTH} {_ORDINAL}\b(?:,? \d{{4}})?"
    rf"|(?:the )?\d{{1,2}}(?:st|nd|rd|th)\b)"
)
_PERIOD = (
    r"(?:day|week|month|quarter|year|term|summer|spring|autumn|fall|winter|morning|afternoon|evening|night)"
)
_RELATIVE = (
    rf"(?:today|tonight|tomorrow(?: (?:morning|afternoon|evening|night))?"
    rf"|(?:next|this|coming) (?:{_PERIOD}|weekend|{_DAY}|meeting|{_MONTH})"
    rf"|(?:the )?(?:end|beginning|start|middle) of (?:(?:the|this|next) )?(?:{_PERIOD}|{_MONTH}|business)"
    r"|(?:the )?(?:next|following) (?:board )?meeting|then)"
)
_WHEN = (
    rf"(?:{_DATE}|{_RELATIVE}|(?:next |this |coming )?{_DAY}(?: (?:morning|afternoon|evening|night))?"
    rf"|{_MONTH}|Q[1-4]|{_CLOCK})"
)
_NUMBER = (
    r"(?:\d+|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|a few|a couple of|the next \w+)"
)
_DUE = re.compile(
    rf"\b(?:(?:by|before|until|till|no later than|not later than|due|due on|due by|ahead of|after)"
    rf" (?:{_WHEN})(?:,? (?:at |on )?(?:{_WHEN}))*"
    rf"|on (?:{_DATE}|(?:next |this )?{_DAY}(?: \w+noon| morning| evening)?)(?:,? (?:at )?(?:{_WHEN}))*"
    rf"|at {_CLOCK}(?: (?:on )?(?:{_DATE}|{_DAY}|today|tomorrow))?"
    rf"|(?:within|in) {_NUMBER}(?: working| business)? (?:hour|day|week|month|year)s?"
    rf"|(?:first thing )?(?:today|tonight|tomorrow(?: morning| afternoon| evening)?)"
    rf"|(?:next|this) (?:{_PERIOD}|weekend|{_DAY})"
    r"|as soon as possible|asap|immediately|right away|straight away)\b",
    re.I,
)
_NO_OWNERS = frozenset(
    listed("""
    The This That These Those There It He She They What Which Who So And But Or If When Then Now Maybe
    Also Well Okay Ok Yes No Our My Your His Her Their Its All Everyone Everybody Somebody Someone
    Nobody Anyone Here However Still Next Today Tomorrow Because Since While After Before Until Action
    Please Perhaps I We You Monday Tuesday Wednesday Thursday Friday Saturday Sunday
    """)
)


@dataclass(frozen=True, slots=True)
class ActionItem:
    """A task as the meeting's own words have it."""

    sentence: int
    """Index among the sentences it was found in."""

    text: str
    owner: str | None
    due: str | None

    def __str__(self) -> str:
        stated = [f"owner: {self.owner}"] if self.owner else []
        stated += [f"due: {self.due}"] if self.due else []
        return f"{self.text} ({'; '.join(stated)})" if stated else self.text


@dataclass(frozen=True, slots=True)
class Minutes:
    decisions: tuple[int, ...]
    """Indexes of sentences."""

    action_items: tuple[ActionItem, ...]


def minutes_of(sentences: Sequence[Sentence]) -> Minutes:
    """The decisions and tasks that the sentences state, in order; the same words only once."""
    decisions: list[int] = []
    tasks: list[ActionItem] = []
    seen: set[str] = set()
    for index, sentence in enumerate(sentences):
        words = " ".join(sentence.text.casefold().split())
        if words in seen:
            continue
        seen.add(words)
        task, decided = _task(index, sentence), _is_decision(sentence.text)
        if decided:
            decisions.append(index)
        # "We agreed to hire somebody" gives nobody a task.
        if task and (task.owner or not decided):
            tasks.append(task)
    return Minutes(tuple(decisions), tuple(tasks))


def _is_decision(sentence: str) -> bool:
    text = _plain(sentence)
    if _ASKED.search(text) or _DENIED.search(text):
        return False
    return any(pattern.search(text) for pattern in _DECISIONS)


def _task(index: int, sentence: Sentence) -> ActionItem | None:
    text = _plain(sentence.text)
    if _DENIED.search(text) or _PERHAPS.search(text) or (_ASKED.search(text) and not _REQUESTED.search(text)):
        return None
    for pattern in _TASKS:
        for match in pattern.finditer(text):
            owner = _owner(match, sentence)
            if owner is not None:
                due = _DUE.search(text)
                return ActionItem(index, sentence.text, owner or None, due[0] if due else None)
    return None


def _owner(match: re.Match[str], sentence: Sentence) -> str | None:
    """Who is to do it; empty when the sentence does not say, None when the subject cannot do anything."""
    found = match.groupdict()
    if found.get("me"):
        named = [each for each in (found["beside"], sentence.speaker) if each]
        return " and ".join(named)
    if found.get("group"):
        return str(found["group"])
    owner = found.get("owner")
    if not owner:
        return ""
    first, _, others = owner.partition(" ")
    # The first word of a sentence has a capital whatever it is.
    if first in _NO_OWNERS:
        return others if others[:1].isupper() else None
    return owner


def _plain(text: str) -> str:
    return text.replace("’", "'")  # noqa: RUF001
