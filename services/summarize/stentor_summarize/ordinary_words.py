"""Words that have a capital without being a name, and names that differ from those of their people. English,
but for the particles."""


def listed(text: str) -> tuple[str, ...]:
    """The words of a text, for lists of them."""
    return tuple(text.split())


OPENERS = frozenset(
    listed("""
    a about above according after afterwards again against all almost alone along already also although
    always am among an and another any anyone are around as asked at attendees away back based be
    because become been before behind being below beside besides between beyond both briefly but by can
    citizens clearly could critics currently decisions despite did do does down due during each early
    earlier either else elsewhere enough even eventually ever every everyone everything experts few
    fewer finally first firstly following for former from full further furthermore given good great had
    half has have having he headline hence her here him his how however i if in indeed instead into is
    it items its itself just key last lastly lately later latest least less like likewise local long
    look low made main mainly make many may maybe me meanwhile members might more moreover most mostly
    much must my near nearly need neither never nevertheless new next no nobody none nor not note
    nothing notably now of off officials often old on once one only onto opponents or other others our
    out outside over overall owner owners part participants people perhaps please points possibly
    previously prior rather recent recently residents same second several shall she should similarly
    since so some someone something sometimes soon sources speakers special staff still students such
    summary supporters take team than that the their them then there thereafter therefore these they
    third this those though through thus to today together tomorrow tonight too toward towards under
    unfortunately unless unlike until up upon us using usually various very via was we well were what
    when where whether which while who whole whose why will with within without witnesses workers would
    year years yes yesterday yet you your
    """)
)
"""What sentences begin with."""

ENDINGS = (
    "ing",
    "ly",
    "tion",
    "sion",
    "ment",
    "ness",
    "ity",
    "ers",
    "ors",
    "ists",
    "ants",
    "ents",
    "ings",
    "ies",
)
"""Of words that are seldom names."""

TITLES = frozenset(
    listed("""
    mr mrs ms miss dr prof professor sir lord lady dame saint st president vice premier prime minister
    chancellor secretary senator governor mayor judge justice chief chair chairman chairwoman
    chairperson director manager head executive officer ceo cfo cto coo king queen prince princess duke
    duchess pope bishop captain general colonel major lieutenant sergeant inspector detective
    commissioner ambassador councillor representative deputy herr frau monsieur madame mme señor señora
    don doña
    """)
)

PARTICLES = frozenset(
    listed("""
    of the for and de del della der den di da do dos das du des la le les el al bin ibn van von zu zur
    """)
) - {"and"}

DEMONYMS = {
    "french": "france",
    "british": "britain",
    "britain": "british",
    "english": "england",
    "scottish": "scotland",
    "welsh": "wales",
    "irish": "ireland",
    "dutch": "netherlands",
    "german": "germany",
    "spanish": "spain",
    "greek": "greece",
    "swiss": "switzerland",
    "swedish": "sweden",
    "danish": "denmark",
    "finnish": "finland",
    "polish": "poland",
    "turkish": "turkey",
    "chinese": "china",
    "american": "america",
    "european": "europe",
    "portuguese": "portugal",
    "norwegian": "norway",
    "belgian": "belgium",
    "hungarian": "hungary",
    "ukrainian": "ukraine",
    "peruvian": "peru",
    "brazilian": "brazil",
    "canadian": "canada",
    "parisian": "paris",
    "london's": "london",
}
