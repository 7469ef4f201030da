"""Reading one option's letter at a given place of a reply: `(C)`, `**C**`, `\\(\\text{C}\\)`, `"C"`, `option C`.

A letter that is a word of its sentence ("I do not know", "A rock") is none, and two letters are none. Pure; at most
`WINDOW` characters are looked at, so that every reading costs bounded time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.scorers.notation import SYMBOLS
from harness.suites.prompts import LETTERS

WINDOW = 160
_LOOK_ALIKE = dict(zip("АВСЕНІКМОРТХΑΒΕΗΙΚΜΝΟΡΤΧΖ", "ABCEHIKMOPTXABEHIKMNOPTXZ", strict=True))
_COUNTED = dict(zip("أبجدابجدঅবডঢ", "ABCDABCDABCD", strict=True))
"""Option letters of Arabic and Bengali prompts, by their place."""
_LETTER = "[A-Za-z" + "".join(_LOOK_ALIKE) + "".join(dict.fromkeys(_COUNTED)) + "]"
_WORDS = (
    "option|choice|letter|answer|the|is|are|be|would be|should be|must be|clearly|definitely|most likely|likely|"
    "probably|possibly|maybe|perhaps|also|alternatively|therefore|"
    "thus|hence|indeed|simply|just|actually|certainly|obviously|then|only|correct|right|best|closest|final|"
    "number|given by|"
    "as follows|option letter|a letra|a opção|a alternativa|"
    "opción|opcion|opção|opcao|opzione|opțiunea|optie|alternativa|alternativet|alternative|inciso|literal|la|el|"
    "le|les|il|lo|die|der|das|den|de|het|"
    "lettre|letra|lettera|buchstabe|buchstaben|choix|variante|вариант|варіант|буква|под буквой|под|opcja|"
    "možnost|możliwość|vaihtoehto|"
    "seçenek|şıkkı|lựa chọn|đáp án|phương án|pilihan|opsi|huruf|herufi|chaguo|विकल्प|বিকল্প|الخيار|الحرف|خيار|"
    "گزینه|אפשרות|"
    "ตัวเลือก|ข้อ|επιλογή"
)
_TAG = (
    r"</?(?i:em|strong|span|code|br|center|sup|sub|mark|div|font|h[1-6])(?:[ ][^<>\n]{0,60})?/?>"
    r"|<[biup]>(?=[ ]?[^\s<])|<[BIUP]>(?=\W{0,3}[A-Za-z]\W{0,3}</)"
)
"""Tags of HTML, which are no letters in angle brackets."""
_OPEN = re.compile(
    r"(?:" + _TAG + r"|[" + SYMBOLS + r"]|(?<=\n)\d{1,2}[.)][ ]{1,3}(?=[(\[*]{0,4}[A-Z](?!\w))"
    r"|[\s\"'“”‘’„«»「」『』【】《》〈〉<*_`~$({\[|:：,=#>\-–—→]"
    r"|\\{1,2}(?:text|textbf|textit|textrm|textsf|texttt|emph|bold|boldsymbol|bm|mathrm|mathbf|mathsf|mathit|"
    r"mathtt|mathbb|"
    r"operatorname|underline|boxed|fbox|left|right|"
    r"displaystyle|bf|rm|large|Large|quad)"
    r"(?![A-Za-z])|\\{1,2}[()\[\],;:! {}]|(?<!\w)(?i:" + _WORDS + r")(?!\w)|\}|选项|選項|選択肢|보기)*"
)
_CLOSE = re.compile(r"(?:</[A-Za-z]{1,8}>|[\s\"'”’»」』】》〉>*_`~$)}\]|]|\\{1,2}[)\],;:! ]|\\right(?![A-Za-z]))*")
_WRAPPED = re.compile(r"[\"'”’»」』】》〉>*_`~$)}\]|.:：;,，。、؛،।!?…]|\\{1,2}[)\]]|$")
_JOINER = re.compile(
    r"(?:\\(?:text|mathrm)\{[ ]{0,3}(?i:and|or|,|&)[ ]{0,3}\}|,|，|、|;|/|&|\+|-|–|—|(?<!\w)(?i:and|or|und|oder|"
    r"et|ou|y|o|e|i|lub|и|или|ve|veya|atau|dan|na|au|và|hoặc|"
    r"و|أو|या|और|বা|এবং)(?!\w)"
    r"|和|或|与|與|及|또는|및|または|と|か)"
)
_ADJACENT = re.compile(r"\s{0,3}(?:\d{1,2}[.)][ ]{1,3})?[(\[*]{0,3}[A-Z][)\]*]{0,3}[.,;]?(?:\n|$)")
_NEW_CLAUSE = re.compile(
    r"(?:(?:,|and|or)[ ][(]?[A-Z][)]?,?[ ]){0,8}(?i:is|are|was|were|has|have|fails?|would|can|cannot|can't|"
    r"does|do)(?![\w'’])(?![ ](?:(?:both|all)(?!\w)|"
    r"correct|right|true|valid))"
)
"""Behind a second letter: "the answer is A, B is wrong"."""
_REASON = re.compile(
    r"(?i:because|since|as|is|was|due|based|given|which|where|when|by|per|for|but|would|has|best|seems|fits|"
    r"matches|follows|"
    r"porque|pues|ya|car|parce|puisque|weil|da|denn|perché|poiché|так|потому|поскольку|ponieważ|omdat|eftersom|"
    r"çünkü|karena|"
    r"vì|लेकिन|क्योंकि|لأن|kwa|nitori)(?!\w)"
)
_PRONOUN_VERB = re.compile(r"(?:would|was|has|had|could|can|do|will|should|think|am)(?!\w)")
_ENGLISH_WORDS = frozenset("AI")
_FOREIGN_WORDS = frozenset("AEIKOSUVWYZ")
_GOES_ON = re.compile(r"['’\-–^](?:\w|[{\\])|_(?:[^\W_]|[{\\])|\.[A-Za-z](?![A-Za-z])|[+#°(]|[ ]?=")
_DENIED = re.compile(
    r"[ \"'”*_`)}\]]{0,6}(?:(?i:is|are|was|isn't|can't|cannot|can|could|has|seems|looks|would be|must be)[ ])?"
    r"(?:(?i:the|an|a|been|be|also)[ ]){0,2}(?i:not|n't|wrong|incorrect|false|no|impossible|eliminated|excluded|"
    r"invalid|bad|poor|"
    r"ruled out|out|rejected|discarded|too|unlikely|isn't|can't|cannot)(?!\w)"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What stands at a place: one letter, or `several`.

    Attributes:
        letter: upper case A-Z; None = several letters.
        start, end: where it stands in the window.
        rest: what follows the letter and its wrapping, in the window.
    """

    letter: str | None
    start: int
    end: int
    rest: str = ""


def letter_of(character: str) -> str:
    """The Latin capital that an option's letter stands for."""
    return _LOOK_ALIKE.get(character) or _COUNTED.get(character) or character.upper()


def read_letter(window: str, *, english: bool = True, option_text: tuple[str, ...] = ()) -> Reading | None:
    """Read the letter at the beginning of a text, behind markup, brackets and small words ("the option").

    Args:
        window: up to `WINDOW` characters; more are not looked at.
        english: False = the sentence is in a language in which more single letters are words.
        option_text: the options' texts, to tell "A rock" from option A with the text "rock".

    Returns:
        None when no option's letter stands there.
    """
    place = _behind_markup(window[:WINDOW])
    found = _single(window, place, english=english, option_text=option_text)
    if found is None:
        return None
    return Reading(None, place, found.end) if _joined(found, english) else found


def _behind_markup(text: str) -> int:
    opened = _OPEN.match(text)
    assert opened is not None  # it matches the empty text
    return opened.end()


def _single(window: str, place: int, *, english: bool, option_text: tuple[str, ...]) -> Reading | None:
    if not re.match(_LETTER, window[place : place + 1]):
        return None
    written = window[place]
    after = window[place + 1 : WINDOW]
    if not _ends_word(after):
        return None
    letter = letter_of(written)
    closed = _CLOSE.match(after)
    assert closed is not None
    rest = after[closed.end() :] if "\n" not in closed.group() else "\n" + after[closed.end() :]
    reading = Reading(letter, place, place + 1 + closed.end(), rest)
    if _WRAPPED.match(after) or closed.group().strip() or _stands_alone(written, rest, after, english, option_text):
        return reading
    return None


def _ends_word(after: str) -> bool:
    """Whether a letter followed by this text is a word: not `Al`, `A4`, `I'm`, `C++`, `E-mail`, `f(x)`."""
    if not after:
        return True
    if after[0].isalnum():
        return "\u0e00" <= after[0] <= "\u0eff" or "\u3040" <= after[0] <= "\u9fff" or "\uac00" <= after[0] <= "\ud7af"
    return _GOES_ON.match(after) is None


def _stands_alone(written: str, rest: str, after: str, english: bool, option_text: tuple[str, ...]) -> bool:
    """Whether a bare letter with a space behind it is an option's letter and no word of the sentence."""
    word = rest[:40]
    if _ends_line(rest, after):
        return True
    if written == "I" and english and _PRONOUN_VERB.match(word):
        return False
    if _is_no_object(word):
        return True
    letter = letter_of(written)
    place = LETTERS.find(letter)
    if 0 <= place < len(option_text) and _begins_with(rest, option_text[place]):
        return True
    return written in LETTERS and letter not in (_ENGLISH_WORDS if english else _FOREIGN_WORDS)


def _ends_line(rest: str, after: str) -> bool:
    return not rest or after[:1] == "\n" or "\n" in after[: len(after) - len(rest)]


def _is_no_object(word: str) -> bool:
    """Whether a reason, another letter or a bracket follows, none of which stands behind an article."""
    return word[0] in r'(-–—\[{“"' or bool(_REASON.match(word) or _JOINER.match(word))


def _begins_with(rest: str, option: str) -> bool:
    head = " ".join(option.casefold().split())[:60]
    return bool(head) and " ".join(rest.casefold().split()).startswith(head)


def _joined(found: Reading, english: bool) -> bool:
    """Whether another letter follows as in `A and C`, `A, C`, `A/B`."""
    asked = found.rest.startswith("?")  # "B? C?", "B? or C?"
    rest = found.rest.lstrip("? ") if asked else found.rest
    joiner = _JOINER.match(rest)
    if joiner is None and not asked:
        return _ADJACENT.match(rest) is not None
    tail = rest[joiner.end() :] if joiner else rest
    other = _single(tail, _behind_markup(tail), english=english, option_text=())
    if other is None or other.letter == found.letter or _NEW_CLAUSE.match(other.rest):
        return False
    return joiner is None or joiner.group() not in "-–—" or not other.rest[:1].isalpha()


def denied(rest: str) -> bool:
    """Whether what follows a letter takes it back: "(A) is wrong"; ", not (B)" does not."""
    return _DENIED.match(rest) is not None


def refuted(rest: str) -> bool:
    """Whether the text of an option in a list begins by taking it back: "A. Incorrect, because"."""
    return _DENIED.match(rest.lstrip(" .,:;)–—-")) is not None
