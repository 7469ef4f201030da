"""Letters that a reply mentions without announcing an answer: "so B", "I choose (C)", a line with nothing but `D`.

Weak evidence: each rule also matches ordinary prose, so a letter that is denied, or one of several that are only
discussed, is none. Pure; all patterns are linear in the reply's length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.scorers.letters import WINDOW, denied, read_letter, refuted
from harness.scorers.notation import SYMBOLS

Mention = tuple[int, str | None, str]
"""Place, letter (None = several), rule."""

_LETTER = r"(?P<letter>[A-Z])"
_OPEN = r"(?:[\s*_`~$({\[\"“]|\\[(\[]|\\(?:text|textbf|mathrm|mathbf|boxed)\{){0,8}"
_CLOSE = r"[*_`~$)}\]\"”.!]{0,8}"
_CHOSEN = re.compile(
    r"(?<![^\W_])(?i:corresponds? to|matches|choose|choosing|chose|pick|picking|select|selecting|go with|"
    r"going with|went with|opt for|"
    r"settle on|settled on|vote for|vote|left with|leaving us with|leaves us with|leaving|go for|going for|"
    r"i'?ll say|i'd say|i would say|i guess|i(?: would|'d)? answer|lean(?:ing)? towards?|"
    r"conclude|elijo|escolho|choisis|wähle|scelgo|kies|выбираю)(?![^\W_])(?=[ :*_`(\[\"“])|我选择?|"
    r"(?<![不别勿可])(?<!不[能应要可该会])[选選](?=[ ]?[A-Z])"
)
_CONCLUDED = re.compile(
    r"(?<![^\W_])(?:(?i:so|but|rather|it's|it’s|that's|thus|hence|therefore|is|be|leaving|leaves|donc|also|"
    r"daher|folglich|"
    r"por lo tanto|por tanto|portanto|quindi|dus|"
    r"поэтому|значит|следовательно)[ ,:]{1,3}|(?:所以|因此|故)[是选選]?)(?i:option |choice |the option |answer )?"
    + _OPEN
    + _LETTER
    + r"(?!\w)"
    + _CLOSE
    + r"[ \t]*$",
    re.MULTILINE,
)
_REVERSED = re.compile(
    r"(?<![A-Za-z0-9])"
    + _LETTER
    + r"[*_`~)\]}\"”.]{0,6}(?:[ ]\([^()\n]{1,60}\)|(?<=[.)])[ ][^\n.;]{1,80}?)?[ ](?i:is|would be|must be|"
    r"(?:seems|appears)(?: to be)?)[ ]"
    r"(?i:therefore |thus |clearly |indeed )?(?i:the|my|our)[ ](?P<kind>[A-Za-z ]{0,30}?)(?i:answer|option|"
    r"choice|fit|match)(?!\w)"
)
_IS_RIGHT = re.compile(
    r"(?i:option|choice|answer)[ ]"
    + _OPEN
    + _LETTER
    + r"[*_`~)\]}\"”.]{0,6}[ ](?i:is)[ ](?i:correct|right|true)(?!\w)(?![ ](?i:for|only|if|when))"
)
_BARE_IS_RIGHT = re.compile(
    r"(?:^|[.:;,][ ]|(?<![^\W_])(?i:only|thus|so|hence|therefore|statement)[ ,]{1,2})[*_`]{0,3}"
    r"(?:(?P<letter>[A-HJ-Z])|\((?P<bracketed>[A-Z])\))[*_`]{0,3}[ ](?i:is (?:correct|right)|works|fits)"
    r"(?=[*_`]{0,3}(?:[.,;!\n]|$))",
    re.MULTILINE,
)
_MADE = re.compile(
    r"(?<![^\W_])(?i:making|makes|leaving|leaves)[ ](?i:option |choice |answer )?[*_`(\[]{0,5}"
    + _LETTER
    + r"[*_`)\]]{0,5}[ ](?:as )?(?:the|our|my)[ ](?P<kind>[A-Za-z ]{0,30}?)(?:answer|option|choice|fit|match)(?!\w)"
)
_NEAREST = re.compile(
    r"(?<![^\W_])(?i:closest|nearest|close)(?:[ ]to|:|,)[ ](?i:option |choice )?[*_`(\[]{0,5}"
    + _LETTER
    + r"(?=[*_`]{0,3}[.)\]:,\n]|[*_`]{0,3}$)",
)
_STATED_BRACKETED = re.compile(r"(?<![^\W_])(?i:is|are|be):?\s{1,3}[*_]{0,3}\(" + _LETTER + r"\)(?=[*_]{0,3}[ ])")
_STATED_BOLD = re.compile(
    r"(?<![^\W_])(?i:is|are|was|be|as|with|to|option|choice):?\s{1,4}\*\*\(?"
    + _LETTER
    + r"(?:[.:]|\)[.:]?)[ ][^*\n]{1,200}\*\*"
)
_IS_RIGHT_CHINESE = re.compile(r"选项[ ]?" + _LETTER + r"[ ]?是?(?:正确|对|最佳)|(?P<only>[A-Z])(?:选项|项)?是?正确")
_MENTIONED = re.compile(r"(?<![^\W_])(?i:option|choice|answer)[\s*_`~:(]{1,4}" + _LETTER + r"(?![A-Za-z0-9'’])")
_LETTER_LINE = re.compile(
    r"^(?:[=-][>][ ])?[ \t*_`~(\[<\"'>#→" + SYMBOLS + r"]{0,8}([A-Z])[ \t*_`~).\]>\"',:]{0,8}$", re.MULTILINE
)
_OPTION_LINE = re.compile(
    r"^[ \t*_`(\[>" + SYMBOLS + r"-]{0,8}([A-Z])[*_`]{0,3}(?:[).:\]]|[ ][-–—][ ])[^\n]{1,400}$", re.MULTILINE
)
_BOLD = re.compile(r"\*\*\(?([A-Z])[).]{0,2}\*\*")
_WRONG_KIND = re.compile(
    r"(?i)\b(?:in|un|im)[a-z]+|\bnot\b|wrong|worst|least|false|only other|second|next|other|close\b|tempting"
)
_TURNED = re.compile(
    r"(?:(?<!\w)(?i:not|never|cannot|could|might|may|neither|nor|either|or|if|whether|than|unlike|rule out|"
    r"wrong|incorrect|worst|false)|"
    r"(?i:n't|eliminate|exclude|reject|discard)[a-z]{0,3})(?!\w)[^.,;:?!\n]{0,40}$"
)
_ONLY_IF = re.compile(r"[*_`)]{0,4}[ ]is[ ](?:correct|right|true)[ ](?:for|only|if|when)(?!\w)")
_ONE_LETTER = re.compile(
    r"(?:(?:(?i:q|question)?[ ]?\d{1,3}[.):]|(?i:assistant|response|output):)\s{1,2})?"
    r"(?:(?i:probably|definitely|likely|most likely|certainly|option|choice|letter|maybe)[ ]){0,2}"
    r"[\s*_`~(\[<\"'>$|]{0,8}([A-Za-z])[\s*_`~).\]>\"',:$|!]{0,8}"
)


def of(text: str) -> Iterator[Mention]:
    """Give the mentions of a reply from which its answer may be taken; the last counts."""
    if (whole := _ONE_LETTER.fullmatch(text.strip())) is not None:
        yield 0, whole[1].upper(), "lone_letter"
        return
    found = [*_chosen(text), *_concluded(text), *_reversed(text), *_in_words(text), *_lines(text)]
    yield from found or _only_mention(text)


def _chosen(text: str) -> Iterator[Mention]:
    for match in _CHOSEN.finditer(text):
        if _TURNED.search(text[max(0, match.start() - 40) : match.start()]):
            continue
        reading = read_letter(text[match.end() : match.end() + WINDOW])
        if reading is not None and not denied(reading.rest):
            yield match.start(), reading.letter, "option_words"


def _concluded(text: str) -> Iterator[Mention]:
    for match in _CONCLUDED.finditer(text):
        turns = text.startswith(("but", "rather"), match.start())  # "not (D) but (C)"
        if turns or not _TURNED.search(text[max(0, match.start() - 40) : match.start()]):
            yield match.start(), match["letter"], "conclusion"


def _reversed(text: str) -> Iterator[Mention]:
    for match in _REVERSED.finditer(text):
        if not _WRONG_KIND.search(match["kind"]) and (match["letter"] not in "AI" or text[match.end("letter")] != " "):
            yield match.start(), match["letter"], "option_words"
    for match in _IS_RIGHT.finditer(text):
        yield match.start(), match["letter"], "option_words"
    chinese = [(match.start(), match["letter"] or match["only"]) for match in _IS_RIGHT_CHINESE.finditer(text)]
    if len({letter for _, letter in chinese}) == 1:
        yield *chinese[-1], "option_words"


def _in_words(text: str) -> Iterator[Mention]:
    """Sentences about one letter: "only C is correct", "making (C) the best choice", "the artist is **B. Monet**"."""
    for pattern in (_BARE_IS_RIGHT, _MADE, _NEAREST, _STATED_BRACKETED, _STATED_BOLD):
        for match in pattern.finditer(text):
            said = match.groupdict()
            if pattern is _STATED_BRACKETED:
                reading = read_letter(text[match.start("letter") - 1 :][:WINDOW])
                said["letter"] = reading.letter if reading is not None else None
            wrong = _WRONG_KIND.search(said.get("kind") or "")
            if (
                not wrong
                and not turned(text[max(0, match.start() - 40) : match.start()])
                and not denied(text[match.end() : match.end() + 60])
            ):
                yield match.start(), said["letter"] or said.get("bracketed"), "option_words"


def turned(before: str) -> bool:
    """Whether what stands before a letter turns its meaning: "not", "unless", "rule out"."""
    return _TURNED.search(before) is not None


def _lines(text: str) -> Iterator[Mention]:
    """A letter alone on the first or last line, or the only line that begins like an option."""
    alone = _places(_LETTER_LINE, text)
    ends = {text.find(line) for line in text.strip().split("\n", 1)[:1]} | {text.rstrip().rfind("\n") + 1}
    if _differ(alone):
        alone = [(place, letter) for place, letter in alone if place in ends]
    options = _option_lines(text)
    if alone:
        yield *alone[-1], "lone_letter"
    elif options:
        if not _differ(options):
            yield *options[-1], "only_line"
    elif (bold := _places(_BOLD, text)) and not _differ(bold):
        yield *bold[-1], "option_words"


def _places(pattern: re.Pattern[str], text: str) -> list[tuple[int, str]]:
    return [(match.start(), match[1]) for match in pattern.finditer(text)]


def _option_lines(text: str) -> list[tuple[int, str]]:
    found = _OPTION_LINE.finditer(text)
    return [(one.start(), one[1]) for one in found if not refuted(text[one.end(1) : one.end(1) + 60])]


def _differ(found: Sequence[tuple[int, str]]) -> bool:
    return len({letter for _, letter in found}) > 1


def _only_mention(text: str) -> Iterator[Mention]:
    """`option C` where no other option is named and nothing speaks against it."""
    found = list(_MENTIONED.finditer(text))
    letters = {match["letter"] for match in found}
    if len(letters) != 1 or any(
        _ONLY_IF.match(text, match.end()) or refuted(text[match.end() : match.end() + 60]) for match in found
    ):
        return
    last = found[-1]
    if not _TURNED.search(text[max(0, last.start() - 40) : last.start()]):
        yield last.start(), last["letter"], "option_words"
