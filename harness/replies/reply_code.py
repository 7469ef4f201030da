"""Which part of a reply is the program: the block that defines what is asked for, with what it needs of the others.

Data flows reply + names that are asked for -> `ReplyCode`. Pure: code is parsed, never run, and never rewritten.
"""

from __future__ import annotations

import ast
import builtins
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from harness.replies.code_blocks import CodeBlock, split

PYTHON = frozenset({"", "python", "python2", "python3", "py", "py3", "python-repl", "ipython", "jupyter", "sage"})
LARGEST_PARSED = 1_000_000  # characters in all that are parsed for one reply: about a second
LARGEST_CUTS, LARGEST_STARTS = 20, 40
_START = re.compile(
    r"(?:(?:async[ ]+)?def|class)[ ]+\w+.*|import[ ]+\w.*|from[ ]+[\w.]+[ ]+import\b.*|@\w.*|if[ ]__name__.*"
    r"|print\(.*|(?:for|while|with|try|if)\b.*:[ \t\r]*"
    r"|[A-Za-z_][\w.]*(?:[ ]*,[ ]*\w+)*[ ]*(?:[+*/%|&^-]|//|\*\*)?=(?!=).*"
)
_LOOKS_LIKE_CODE = re.compile(
    r"^[ \t]*(?:(?:def|class) \w+.*:|import \w|from [\w.]+ import\b|return\b|@\w|print\(|\w+ ?[+*/-]?= ?\S)"
    r"|^[ \t]{2,}(?:for|while|if|with|try|yield|raise|assert|pass)\b",
    re.MULTILINE,
)
_READS_INPUT = re.compile(r"\binput[ ]*\(|\bstdin\b|\bopen\(0\b|\bfileinput\b")
_REPLACES_INPUT = re.compile(r"\bstdin[ ]*=[^=]")
_BODY = re.compile(r"^[ \t]*(?:return|yield)\b", re.MULTILINE)
_MARKS = re.compile(r"^[ \t]*\[/?(?:PYTHON|BEGIN|DONE|ANSWER|CODE|END)\][ \t\r]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyCode:
    """A program found in a reply.

    Attributes:
        code: the program, empty when there is none.
        rule: `code_block`, `open_code_block` (never closed) or `whole` (no fence at all).
    """

    code: str
    rule: str


def find_code(text: str, wanted: Collection[str] = ()) -> ReplyCode:
    """Find the program.

    Args:
        wanted: names that the program is to define, one of them at least; empty for one that reads its input.
    """
    parser = _Parser()
    blocks, outside = split(text)
    held = [block for block in blocks if block.text.strip()]
    if not held:
        found = "" if blocks else parser.unfenced(text, wanted)
        return ReplyCode(code=found, rule="whole")
    return _fenced(parser, held, outside, wanted)


def _fenced(parser: _Parser, held: Sequence[CodeBlock], outside: str, wanted: Collection[str]) -> ReplyCode:
    pieces = [_Piece.of(block, parser) for block in held if _may_be_python(block, wanted)]
    if not any(piece.fits(wanted) for piece in pieces):
        around = parser.unfenced(outside, wanted)
        if _is_program(around, wanted):
            return ReplyCode(code=around, rule="whole")
    pieces = pieces or [_Piece.of(block, parser) for block in held]
    main = _main(pieces, wanted)
    code = parser.with_definitions(main, pieces)
    return ReplyCode(code=code, rule="code_block" if main.closed else "open_code_block")


def _is_program(code: str, wanted: Collection[str]) -> bool:
    return any(defines(code, name) for name in wanted) if wanted else bool(_READS_INPUT.search(code))


def defines(code: str, name: str) -> bool:
    """Whether code gives a name a function, a class or a value at its top level."""
    name = re.escape(name)
    forms = (
        rf"(?:async[ \t]+)?def[ \t]+{name}[ \t]*[(\[]",
        rf"class[ \t]+{name}\b",
        rf"{name}[ \t]*(?::[^=\n]+)?=(?!=)",
    )
    return bool(re.search(rf"^(?:{'|'.join(forms)})", code, re.MULTILINE))


def has_method(code: str, name: str) -> bool:
    """Whether code has a class `Solution` with a method of that name, as contest sites ask for."""
    return defines(code, "Solution") and bool(
        re.search(rf"^[ \t]+def[ \t]+{re.escape(name)}[ \t]*\(", code, re.MULTILINE)
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    code: str
    closed: bool
    tagged: bool

    @classmethod
    def of(cls, block: CodeBlock, parser: _Parser) -> _Piece:
        code = block.text if block.closed else parser.before_prose(block.text)
        return cls(code, block.closed, block.language != "")

    def fits(self, wanted: Collection[str]) -> bool:
        if wanted:
            return any(defines(self.code, name) or has_method(self.code, name) for name in wanted)
        return self.reads_input()

    def has_language(self) -> bool:
        return self.tagged

    def has_body(self) -> bool:
        return bool(_BODY.search(self.code))

    def looks_like_code(self) -> bool:
        return bool(_LOOKS_LIKE_CODE.search(self.code))

    def reads_input(self) -> bool:
        return bool(_READS_INPUT.search(self.code)) and not _REPLACES_INPUT.search(self.code)


def _may_be_python(block: CodeBlock, wanted: Collection[str]) -> bool:
    return block.language in PYTHON or any(defines(block.text, name) for name in wanted)


def _main(pieces: Sequence[_Piece], wanted: Collection[str]) -> _Piece:
    """The piece that is the program; of several the last, which is what the reply ends with."""

    def count(piece: _Piece) -> int:
        return sum(defines(piece.code, name) or has_method(piece.code, name) for name in wanted)

    most = max(map(count, pieces))
    if most:
        return next(piece for piece in reversed(pieces) if count(piece) == most)
    asked = _Piece.has_body if wanted else _Piece.reads_input
    for test in (asked, _Piece.has_language, _Piece.looks_like_code):
        if chosen := [piece for piece in pieces if test(piece)]:
            return chosen[-1]
    return pieces[-1]


class _Parser:
    """Parses parts of one reply, up to a bound in all."""

    def __init__(self) -> None:
        self.left = LARGEST_PARSED

    def tree(self, code: str) -> ast.Module | SyntaxError | None:
        """The syntax tree, the error, or None when the code is too large or too deep to say."""
        self.left -= len(code)
        if self.left < 0:
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(code)
        except SyntaxError as error:
            return error
        except (ValueError, RecursionError, MemoryError):
            return None

    def before_prose(self, text: str) -> str:
        """Code without the words that follow it; all of it when no part of it is code."""
        lines = text.split("\n")
        return "\n".join(lines[: self._code_lines(lines)]) or text

    def _code_lines(self, lines: Sequence[str]) -> int:
        """How many lines at the beginning are code."""
        end = len(lines)
        for _ in range(LARGEST_CUTS):
            tree = self.tree("\n".join(lines[:end]))
            if isinstance(tree, ast.Module):
                return _without_trailing_words(tree, end)
            if tree is None or end == 0:
                return end
            end = min(end - 1, max(0, (tree.lineno or 1) - 1))
        return end

    def unfenced(self, text: str, wanted: Collection[str]) -> str:
        """The program in a text without fences: its runs of code, or the whole when it is a function's body."""
        text = _MARKS.sub("", text)
        if not _LOOKS_LIKE_CODE.search(text):
            return ""
        whole = text.strip("\n")
        if isinstance(self.tree(whole), ast.Module) and not wanted:
            return whole
        runs = list(self._runs(text.split("\n")))
        pieces = [_Piece(code, True, True) for code in runs]
        fitting = [piece for piece in pieces if piece.fits(wanted)]
        if not fitting:
            return self._body(whole) if wanted or not runs else "\n\n".join(runs)
        return self.with_definitions(fitting[-1], pieces)

    def _body(self, text: str) -> str:
        """The body of a function, without the words before and after it."""
        lines = text.split("\n")
        first = next((at for at, line in enumerate(lines) if line.startswith((" ", "\t")) and line.strip()), None)
        if first is None or _BODY.match(lines[0]):
            return self.before_prose(text)
        size = self._code_lines(["def body():", *lines[first:]]) - 1
        return "\n".join(lines[first : first + size]) if size > 0 else text

    def _runs(self, lines: Sequence[str]) -> Iterator[str]:
        at = starts = 0
        while at < len(lines) and starts < LARGEST_STARTS:
            if not _START.fullmatch(lines[at]):
                at += 1
                continue
            starts += 1
            size = self._code_lines(lines[at:])
            if size:
                yield "\n".join(lines[at : at + size])
            at += max(size, 1)

    def with_definitions(self, main: _Piece, pieces: Sequence[_Piece]) -> str:
        """The code of a program behind what it uses and other pieces of the reply define or import."""
        others = [piece.code for piece in pieces if piece is not main]
        tree = self.tree(main.code) if others else None
        if not isinstance(tree, ast.Module):
            return main.code
        parts = list(chain.from_iterable(map(self._definitions, others)))
        missing = _used(tree) - _bound(tree) - set(dir(builtins))
        taken: set[int] = set()
        while fitting := [at for at, part in enumerate(parts) if at not in taken and part[1] & missing]:
            taken.add(fitting[-1])
            missing = (missing | parts[fitting[-1]][2]) - parts[fitting[-1]][1] - set(dir(builtins))
        return "\n\n".join([*(parts[at][0] for at in sorted(taken)), main.code])

    def _definitions(self, code: str) -> Iterator[tuple[str, set[str], set[str]]]:
        """Source, names that are bound and names that are used of each definition and import."""
        tree, lines = self.tree(code), code.split("\n")
        for node in tree.body if isinstance(tree, ast.Module) else ():
            if _is_definition(node):
                yield _source(lines, node), _bound(node), _used(node)


def _without_trailing_words(tree: ast.Module, end: int) -> int:
    """Words may be code by accident: `Done`, `Complexity: linear`. They do nothing at the end of a program."""
    for node in reversed(tree.body):
        word = isinstance(node, ast.Expr) and isinstance(node.value, ast.Name | ast.Tuple)
        if not word and not (isinstance(node, ast.AnnAssign) and node.value is None):
            break
        end = node.lineno - 1
    return end


def _is_definition(node: ast.stmt) -> bool:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)
    return isinstance(node, kinds)


def _source(lines: Sequence[str], node: ast.stmt) -> str:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    return "\n".join(lines[first - 1 : node.end_lineno])


def _used(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def _bound(tree: ast.AST) -> set[str]:
    """Every name that is given a meaning anywhere in a tree; of a single definition, the name that it defines."""
    if isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {tree.name}
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name) | ast.MatchAs(name=str(name)):
                names.add(name)
            case ast.alias(name=name, asname=asname):
                names.add(asname or name.split(".")[0])
            case ast.ExceptHandler(name=str(name)):
                names.add(name)
    return names
