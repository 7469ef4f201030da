"""Lists of words that instructions are about: stop words, pronouns, conjunctions, names, capitals."""

from __future__ import annotations

_SUBJECTS = "i you he she it we they"
_POSSESSIVES = "my your his her its our their"
_REFLEXIVES = "myself yourself yourselves himself herself itself ourselves themselves"
_FORMS_OF_BE_HAVE_DO = "am is are was were be been being have has had having do does did doing"
_ABOUT_PLACE = (
    "of at by for with about against between into through during before after above below to from up down in out on "
    "off over under again further"
)
_JOINING = "and but if or because as until while then once here there when where why how"
_AMOUNTS = "all any both each few more most other some such no nor not only own same so than too very"
_OTHERS = "a an the what which who whom this that these those can will just don should now"
_BITS = "s t d ll m o re ve y ma ain"
_NEGATED = "aren couldn didn doesn hadn hasn haven isn mightn mustn needn shan shouldn wasn weren won wouldn"

STOP_WORDS = frozenset(
    " ".join(
        (
            f"{_SUBJECTS} me him them {_POSSESSIVES} ours yours hers theirs {_REFLEXIVES} {_FORMS_OF_BE_HAVE_DO}",
            f"{_ABOUT_PLACE} {_JOINING} {_AMOUNTS} {_OTHERS} {_BITS} {_NEGATED}",
        )
    ).split()
)
"""The 153 English stop words of NLTK's list that hold no apostrophe; words are counted between apostrophes, so the
others ("they've") never occur. ("us" is none of them.)"""

PRONOUNS = frozenset(f"{_SUBJECTS} me mine him them us {_POSSESSIVES} ours yours hers theirs {_REFLEXIVES}".split())
COORDINATING = frozenset({"and", "but", "for", "nor", "or", "so", "yet"})

_NAMES = """
Abigail Alexander Amelia Andrew Aria Audrey Ava Benjamin Charlotte Chloe Christopher Claire Daniel David Elijah Ella
Emma Ethan Gabriel Grace Hannah Harper Isabella Jackson Jacob Jonathan Joseph Layla Leo Liam Lily Lucas Mason Matthew
Mia Nathan Nicholas Noah Nora Olivia Owen Penelope Ryan Samuel Scarlett Sophia Stella Thomas Victoria Zoe
"""
NAMES = tuple(_NAMES.split())
"""The names that the prompts list."""

_CAPITALS = """
Reykjavik Helsinki Oslo Tallinn Stockholm Riga Moscow Copenhagen Vilnius Minsk Dublin Berlin Amsterdam Warsaw London
Brussels Prague Luxembourg Paris Vienna Bratislava Budapest Vaduz Chisinau Bern Ljubljana Zagreb
"""
NORTHERN_CAPITALS = tuple(_CAPITALS.split())
"""Capitals of Europe north of 45 degrees, from north to south, as the benchmark has them."""
