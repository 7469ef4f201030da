"""The words with which a reply announces its answer, in many languages, and where they stand.

Data flows a reply -> `Cue`s, the last first: the place behind the announcement ("Answer:", "the answer is", "答案是")
and how firm it is. The words are those of the answer lines of multilingual
prompts (MMMLU, MGSM) and what models write. Pure; the work behind each announcement is bounded, so all of it is linear.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal


def _words(text: str) -> tuple[str, ...]:
    """Words of a list; `_` stands for a space inside one."""
    return tuple(unicodedata.normalize("NFKC", word.replace("_", " ")) for word in text.split())


_OTHER_LANGUAGES = _words(
    "svaret odpowiedź_to jawabannya jawapannya "
    "antwort lösung réponse reponse respuesta resposta risposta antwoord antwurd svar vastaus odpowiedź odpowiedz "
    "odpověď odpoveď válasz răspuns răspunsul raspuns cevap yanıt ответ відповідь адказ отговор одговор "
    "odgovor απάντηση jawaban jawapan jawab jibu idahun ìdáhùn idáhùn àdáhùn àmọ̀nà ànúgọ àṣàyàn sagot tugon "
    "amsa azịza impendulo đáp_án trả_lời câu_trả_lời atsakymas atbilde vastus svarið respuestas pergjigja përgjigje "
    "cavab жауап жооп javob хариулт"
)
_WITHOUT_SPACES = _words(
    "正确选项 正確選項 正しい選択肢 最佳选项 "
    "答案 答复 答覆 答曰 答 答え 回答 解答 正解 정답 답변 대답 해답 답 คำตอบ ចម្លើយ ຄຳຕອບ အဖြေ"
)
_CHOSEN = _words("故选 故選 应选 應選 因此选 因此選 所以选 所以選 选择 選擇 我选 我選")
_OTHER_SCRIPTS = _words(
    "الإجابة الاجابة إجابة الجواب جواب پاسخ תשובה התשובה उत्तर जवाब উত্তর উত্তরঃ ਜਵਾਬ ਉੱਤਰ ઉત્તર જવાબ "
    "விடை பதில் సమాధానం జవాబు ಉತ್ತರ ഉത്തരം පිළිතුර መልስ պատասխան პასუხი"
)
_QUALITY = (
    "correct|right|best|final|closest|proper|accurate|appropriate|suitable|plausible|likely|probable|chosen|"
    "selected|true|my|"
    "better|strongest|intended|valid"
)


def _either(words: tuple[str, ...]) -> str:
    """An alternation of words, the longest first."""
    ordered = sorted(set(words), key=lambda word: (-len(word), word))
    return "|".join(re.escape(word).replace(r"\ ", "[ ]") for word in ordered)


def _either_by_first(patterns: tuple[str, ...]) -> str:
    """An alternation in any case whose branches begin with two letters, so that the engine leaves most after a look.

    Args:
        patterns: each begins with a letter and stands for itself.
    """
    branches: dict[str, list[str]] = {}
    for pattern in patterns:
        branches.setdefault(pattern[0], []).append(pattern[1:])
    return "|".join(f"[{first}{first.upper()}](?i:{'|'.join(rest)})" for first, rest in branches.items())


_ONE_OF_THEM = (
    r"[ ]+(?:one|option|choice|response|selection|pick|letter|alternative|result|value|guess|verdict|conclusion|"
    r"decision|judge?ment|statement|match|term|sequence|diagram|image|picture|figure|structure|order|diagnosis)"
)
_ENGLISH = (
    "answers?",
    *(f"{word}[_-]answers?" for word in ("final", "correct", "my")),
    "ans[.]?",
    *(word + _ONE_OF_THEM for word in _QUALITY.split("|")),
)
_WRITTEN_IN_ASCII = tuple(word for word in _OTHER_LANGUAGES if word.replace("ı", "i").isascii())
"""Those that stand in a text of ASCII characters: `ı` is `i` where case does not count."""


def _firsts(patterns: Iterable[str]) -> str:
    return "".join(sorted({first for one in patterns for first in (one[0], one[0].upper())}))


def _noun(other_languages: tuple[str, ...]) -> str:
    # the engine leaves most places of a text after one look
    return (
        rf"(?<![^\W_])(?=[{_firsts((*_ENGLISH, *other_languages))}])"
        r"(?:(?P<english>(?:" + _either_by_first(_ENGLISH) + r")(?:_(?i:letter|choice|option|index))?)"
        r"|(?:" + _either_by_first(tuple(_either(other_languages).split("|"))) + r"))(?![^\W_])"
    )


_ASCII_NOUN = re.compile(_noun(_WRITTEN_IN_ASCII) + "|(?P<chosen>(?!))")
_NOUN = re.compile(
    _noun(_OTHER_LANGUAGES) + rf"|(?=[{_firsts((*_OTHER_SCRIPTS, *_CHOSEN, *_WITHOUT_SPACES))}])(?:"
    r"(?<!\w)(?:" + _either(_OTHER_SCRIPTS) + r")(?!\w)"
    r"|(?P<chosen>" + _either(_CHOSEN) + r")"
    r"|(?:" + _either(_WITHOUT_SPACES) + r"))"
)
_LINE_NOUN = re.compile(
    r"^[ \t>#*_`|-]{0,20}(?P<noun>(?i:final|choice|option|conclusion|solution|result|verdict|correct|selected|"
    r"selection|letter|response|output|correction|soln?|guess|pick|prediction)"
    r"|A(?=:[ \t]*[(*]{0,3}[A-Z][).*]{0,4}[ \t]*$))[ \t*_`]{0,8}[:：]"
    r"|<(?P<tag>(?i:choice|option|selection|result|solution|final|letter|response))>"
    r"|[\"'](?i:(?:selected_|predicted_|chosen_)?(?:choice|option|letter|label|selection)|selected|prediction|"
    r"pred|verdict)"
    r"[\"'][ \t]{0,4}:"
    r"|^[ \t]{0,4}####(?=[ \t]{0,4}[(*\[]{0,3}[A-Z][)*\].]{0,4}[ \t]*$)",
    re.MULTILINE,
)
_CLOSERS = r"[ \t\"'”’»」』】*_`~)\]}]"
_COLON = re.compile(
    _CLOSERS + r"{0,12}(?:\([^()\n]{1,40}\)" + _CLOSERS + r"{0,8})?(?P<mark>[:：=]|[-=][>]|[→⇒➡➜➔➤►▶]|>|\](?!\())"
)
_LATER_COLON = re.compile(r"[^\n:：.!?;]{1,40}[:：]")
_TURNED_VERB = re.compile(r"(?<!\w)(?i:not|cannot|never|nor|neither|nicht|pas|non)(?!\w)|(?i:n't|n’t)(?!\w)")
_LETTER_NEXT = re.compile(r"[ ]{0,2}[(\[*\"“「]{0,4}[A-Z](?!\w)")
_DASH = re.compile(_CLOSERS + r"{0,12}[-–—]")
_VERB = re.compile(
    r"(?<![^\W_])(?i:is|are|was|be|becomes|remains|equals|est|es|são|é|è|sono|ist|lautet|sind|wäre|er|är|on|"
    r"jest|brzmi|je|este|är|là|"
    r"adalah|ialah|ni|"
    r"olmalıdır|είναι|это|является|є)(?![^\W_'’])"
    r"|(?<!\w)(?:היא|הוא|هو|هي|है|হল|হলো|হচ্ছে|است)(?!\w)|应该是|應該是|应为|應為|是|为|為|选|選|は|은|는|이|คือ|就是"
)
_FOREIGN_VERB = re.compile(r"(?!(?i:is|are|was|be|becomes|remains|equals|est|ist)$)[^\W_]{1,9}$", re.ASCII)
"""Behind an English noun "on" is no Finnish verb."""
_SENTENCE_END = re.compile(r"[.!?;\n。！？]")
_LINE_START = re.compile(
    r"(?:\d{1,2}[.)][ ])?[ \t>#*_`~\"'{\[<(|-]{0,20}"
    r"(?:(?i:the|my|so|thus|therefore|hence|final|correct|right|best|la|le|il|el|die|"
    r"das|der|a|de|het|o|en|правильный|верный|итоговый|最终|最終|正确|正確|正しい|最終的な)[ ,:]{0,2}){0,4}$"
)
_DOUBTED = re.compile(
    r"(?:(?<!\w)(?i:if|whether|unless|suppose|supposing|assume|assuming|imagine)(?!\w)[^.,;:!?\n]{0,40}"
    r"|(?i:might|may|could|would|n't|not)[ ]+(?i:think|say|guess|assume|believe|argue|expect|claim|choose|"
    r"agree)[^.,;:!?\n]{0,40}"
    r"|(?i:wrong|incorrect|worst|tempting|false|bad|invalid|previous|unlikely|falsche?|incorrecta|неверный)[ ]+)\Z"
)
_MOST_CUES = 2_000
_WINDOW = 70

_LOOK_BACK = 60

CueKind = Literal["line", "sentence", "heading"]


@dataclass(frozen=True, slots=True)
class Cue:
    """An announcement.

    Attributes:
        start: where its first word stands.
        ends: places where the answer may begin, the most likely first.
        kind: `line` = the word with a colon or the like, `sentence` = with a verb, `heading` = the word alone.
        english: whether single letters that are English words may be read as letters with less doubt.
        opens_line: nothing but markup and small words stands before it on its line.
        direct: the first place follows the word at once.
        tagged: it is a tag, whose content ends at the closing one.
        general: the word announces other things as well ("Result:", "Solution:").
    """

    start: int
    ends: tuple[int, ...]
    kind: CueKind
    english: bool
    opens_line: bool
    direct: bool
    general: bool = False
    tagged: bool = False


def cues(text: str) -> Iterator[Cue]:
    """Give the announcements of an answer, the last first, without doubted ones ("if the answer is").

    Args:
        text: a reply in plain characters (`harness.scorers.notation.plain_characters`).

    Returns:
        at most the last `_MOST_CUES`, so that a hostile reply costs bounded time.
    """
    for match in _announced(text):
        if match.re is _LINE_NOUN:
            yield Cue(
                match.start(),
                (match.end(),),
                "line",
                english=True,
                opens_line=True,
                direct=True,
                general=True,
                tagged=match["tag"] is not None,
            )
            continue
        before = text[max(0, match.start() - _LOOK_BACK) : match.start()].rpartition("\n")[2]
        is_doubted = before and not before.isspace() and _DOUBTED.search(before)
        if not is_doubted and (cue := _cue(text, match, before)) is not None:
            yield cue


def _announced(text: str) -> Iterator[re.Match[str]]:
    """The words that announce an answer, the last first; the end of a reply is read first, as most need no more.

    No word goes over the end of a line, so a stretch of whole lines holds the same ones as in the whole text.
    """
    nouns_left = lines_left = _MOST_CUES
    end, n_characters = len(text), 1
    while end and (nouns_left or lines_left):
        start = text.rfind("\n", 0, max(0, end - n_characters)) + 1
        noun = _ASCII_NOUN if text[start:end].isascii() else _NOUN
        nouns = deque(noun.finditer(text, start, end), nouns_left)
        lines = deque(_LINE_NOUN.finditer(text, start, end), lines_left)
        yield from sorted((*nouns, *lines), key=lambda one: one.start(), reverse=True)
        nouns_left, lines_left = nouns_left - len(nouns), lines_left - len(lines)
        end, n_characters = start, n_characters * 4 + 100


def _cue(text: str, match: re.Match[str], before: str) -> Cue | None:
    start, end = match.span()
    english = match["english"] is not None
    opens_line = _LINE_START.fullmatch(before) is not None
    window = text[end : end + _WINDOW]
    mark = text[start - 1 : start]
    if (colon := _COLON.match(window)) and (colon["mark"] not in (">", "]") or mark in ("<", "[")):
        opens_line |= mark == "<" or mark == window[:1] == '"'
        return Cue(start, (end + colon.end(),), "line", english, opens_line, direct=True, tagged=mark == "<")
    if opens_line and (dash := _DASH.match(window)):
        return Cue(start, (end + dash.end(),), "line", english, opens_line, direct=True)
    if match["chosen"] is not None or (not english and _LETTER_NEXT.match(window)):
        return Cue(start, (end,), "sentence", english, opens_line, direct=True)
    return _in_sentence(start, end, window, english, opens_line)


def _in_sentence(start: int, end: int, window: str, english: bool, opens_line: bool) -> Cue | None:
    """An announcement by a verb behind its noun, by a colon further on, or as a heading."""
    verbs = _verbs(window, english)
    ends = tuple(end + verb_end for _, verb_end in verbs)
    named = bool(verbs) and not re.search(r"\w", window[: verbs[0][0]])
    if not named and opens_line and (colon := _LATER_COLON.match(window)):
        return Cue(start, (*ends, end + colon.end()), "line", english, opens_line, direct=not ends)
    if verbs:
        return Cue(start, ends, "sentence", english, opens_line, named)
    return Cue(start, (end,), "heading", english, opens_line, direct=True) if opens_line else None


def _verbs(window: str, english: bool) -> list[tuple[int, int]]:
    """Places of verbs ("is", "must be") in the sentence that goes on here, without those that are turned round."""
    clause = window[: stop.start() if (stop := _SENTENCE_END.search(window)) else None]
    return [
        one.span()
        for one in _VERB.finditer(clause)
        if not (english and _FOREIGN_VERB.match(one.group())) and not _TURNED_VERB.search(clause[: one.start()])
    ]
