"""Reads a formula in full, or says where it stopped: recursive descent over tokens into exact sympy values.

Data flows tidy text (`notation.tidy`) -> tokens -> `Value`. Nothing is guessed or left over: a text that is not a
formula to its last token is unreadable. `\\pm` makes two values. Powers, factorials and binomials beyond what anybody
writes out are refused before they are computed.
"""

from __future__ import annotations

import re

import sympy

from harness.formulas.lexer import Cursor, Token, tokens
from harness.formulas.numbers import binomial, factorial, fraction, power, repeating, root, symbol
from harness.formulas.units import MAGNITUDES, is_unit
from harness.formulas.values import (
    Based,
    Expression,
    Matrix,
    Relation,
    Scalar,
    Several,
    Union,
    UnreadableError,
    Value,
)
from harness.formulas.vocabulary import (
    CLOSING,
    CONSTANTS,
    DEEPEST,
    FUNCTIONS,
    GREEK,
    INVERSE,
    MATRICES,
    OPENING,
    RELATIONS,
    ROUNDED,
    UNIT_ENDS,
)

_GROUPED = re.compile(r"([-+]?\d{1,3}(?:(?:,\d{3})+|(?: \d{3})+)(?:\.\d+)?)(?=$|\s*\\text|\s*\\mbox|\s*[a-z])")


def read(text: str) -> Value:
    """Read a formula.

    Args:
        text: as `harness.formulas.tidying.tidy` gives it.

    Raises:
        UnreadableError: it is not one in full.
    """
    plain = _GROUPED.sub(lambda match: re.sub("[, ]", "", match[0]), text, count=1) if _GROUPED.match(text) else text
    reading = _Reading(tokens(plain))
    value = reading.listed()
    reading.expect_end()
    return value


class _Reading(Cursor):
    """The grammar, from lists down to single values."""

    def __init__(self, found: list[Token]) -> None:
        super().__init__(found)
        self._depth = 0
        self._sign_of_pm = 1
        self._met_pm = False
        self._bars = 0

    def listed(self) -> Value:
        """Items between commas, semicolons, "and" and "or"; one item stands for itself."""
        items = self._item()
        while self._separator():
            items += self._item()
        return items[0] if len(items) == 1 else Several(tuple(items))

    def _separator(self) -> bool:
        token = self._peek()
        if token is None:
            return False
        joins = token.text.strip().lower() in ("and", "or", ", and", ", or", "and/or")
        if joins or (token.kind == "sign" and token.text in ",;") or token.text in ("\\lor", "\\vee"):
            self._place += 1
            if not joins and (after := self._peek()) is not None and after.text.strip().lower() in ("and", "or"):
                self._place += 1
            return True
        return False

    def _item(self) -> list[Value]:
        """One item; two where it holds a plus-minus sign."""
        outer_sign, outer_met = self._sign_of_pm, self._met_pm
        start = self._place
        self._sign_of_pm, self._met_pm = 1, False
        values = [self._relation()]
        if self._met_pm:
            self._place, self._sign_of_pm = start, -1
            values.append(self._relation())
        self._sign_of_pm, self._met_pm = outer_sign, outer_met
        return values

    def _relation(self) -> Value:
        sides = [self._union()]
        signs: list[str] = []
        while (token := self._peek()) is not None and token.kind != "text" and token.text in RELATIONS:
            self._place += 1
            signs.append(RELATIONS[token.text])
            sides.append(self._union())
        return Relation(tuple(sides), tuple(signs)) if signs else sides[0]

    def _union(self) -> Value:
        parts = [self._sum()]
        while self._at("\\cup"):
            self._place += 1
            parts.append(self._sum())
        return parts[0] if len(parts) == 1 else Union(tuple(parts))

    def _sum(self) -> Value:
        self._depth += 1
        if self._depth > DEEPEST:
            raise UnreadableError("brackets are nested too deep")
        total = self._product(self._leading_sign())
        while self._at("+", "-", "\\pm", "\\mp"):
            sign = self._signed(self._take().text)
            total = Scalar(_expression(total) + _expression(self._product(sign * self._leading_sign())))
        self._depth -= 1
        return total

    def _leading_sign(self) -> int:
        sign = 1
        while self._at("+", "-", "\\pm", "\\mp"):
            sign *= self._signed(self._take().text)
        return sign

    def _signed(self, text: str) -> int:
        if text in ("\\pm", "\\mp"):
            self._met_pm = True
            return self._sign_of_pm if text == "\\pm" else -self._sign_of_pm
        return -1 if text == "-" else 1

    def _product(self, sign: int) -> Value:
        value = self._factor()
        if isinstance(value, Scalar) and (mixed := self._mixed_part(value)) is not None:
            value = Scalar(value.expression + mixed)
        while (longer := self._longer(value)) is not None:
            value = longer
        if sign == 1:
            return value
        if isinstance(value, Scalar):
            return Scalar(-value.expression, value.decimals, value.unit)
        return Scalar(-_expression(value))

    def _longer(self, value: Value) -> Value | None:
        """A product with its next factor, divisor or unit; None where it ends."""
        if self._at("*", "\\cdot", "\\times"):
            self._place += 1
            return Scalar(_expression(value) * self._leading_sign() * _expression(self._factor()))
        if self._at("/", "\\div"):
            self._place += 1
            return Scalar(fraction(_expression(value), self._leading_sign() * _expression(self._factor())))
        if not isinstance(value, Scalar):
            return None
        if self._unit_follows():
            return self._with_unit(value)
        if not self._begins_factor():
            return None
        if (token := self._peek()) is not None and token.kind == "number":
            raise UnreadableError("two numbers without a sign between them")
        return Scalar(value.expression * _expression(self._factor()))

    def _mixed_part(self, whole: Scalar) -> Expression | None:
        r"""The fraction of a mixed number: `3\frac{1}{2}`, `3 1/2`; None when none follows."""
        before, token = self._peek(-1), self._peek()
        if before is None or before.kind != "number" or not whole.expression.is_Integer or token is None:
            return None
        start = self._place
        part = self._written_fraction(token)
        if part is not None and _is_proper(part):
            return part
        self._place = start
        return None

    def _written_fraction(self, token: Token) -> Expression | None:
        if token.text == "\\frac":
            part = self._factor()
            return part.expression if isinstance(part, Scalar) else None
        after = self._peek(1)
        if token.kind != "number" or not token.spaced or after is None or after.text != "/":
            return None
        top, _, bottom = self._take(), self._take(), self._take()
        if bottom.kind != "number" or "." in top.text + bottom.text:
            return None
        return sympy.Rational(int(top.text), int(bottom.text) or 1)

    def _begins_factor(self) -> bool:
        token = self._peek()
        if token is None or token.kind == "text":
            return False
        if token.kind in ("number", "letters"):
            return token.text not in ("and", "or")
        if token.text == "|":
            return self._bars == 0
        if token.kind == "command":
            name = token.text[1:]
            return name in FUNCTIONS or name in CONSTANTS or name in GREEK or token.text in OPENING or name in (
                "frac", "sqrt", "log", "binom", "dbinom", "tbinom", "lfloor", "lceil", "lvert",
            )  # fmt: skip
        return token.text in ("(", "[", "{")

    def _factor(self) -> Value:
        value = self._primary()
        while True:
            if self._at("^", "**"):
                self._place += 1
                if self._degrees():
                    continue
                value = Scalar(power(_expression(value), self._argument()))
            elif self._at("!"):
                self._place += 1
                value = Scalar(factorial(_expression(value)))
            else:
                return value

    def _degrees(self) -> bool:
        r"""Pass over `^\circ`, braced or not."""
        if self._at("\\circ", "\\degree"):
            self._place += 1
            return True
        after, closing = self._peek(1), self._peek(2)
        if (
            self._at("{")
            and after is not None
            and after.text == "\\circ"
            and closing is not None
            and closing.text == "}"
        ):
            self._place += 3
            return True
        return False

    def _argument(self) -> Expression:
        """What `^`, `_`, `\\frac` and roots take: a brace group, or one number, letter or command."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise UnreadableError("brackets are nested too deep")
        if self._at("{"):
            self._place += 1
            value = self._sum()
            self._expect("}")
        else:
            sign = self._leading_sign()
            value = Scalar(sign * _expression(self._primary()))
        self._depth -= 1
        return _expression(value)

    def _primary(self) -> Value:
        token = self._take()
        if token.kind == "number":
            return self._number(token)
        if token.kind == "letters":
            return self._letters(token.text)
        if token.kind == "command" and token.text not in OPENING:
            return self._command(token.text[1:])
        if token.text == "{":
            value = self.listed()
            self._expect("}")
            return value
        if token.text in OPENING:
            return self._bracketed(token.text)
        if token.text == "|":
            return self._absolute("|")
        raise UnreadableError(f"{token.text!r} stands where a value should")

    def _number(self, token: Token) -> Value:
        if self._at("\\overline"):
            self._place += 1
            return Scalar(repeating(token.text, self._braced()))
        if self._at("_") and "." not in token.text:
            self._place += 1
            base = self._argument()
            if not base.is_Integer or not 2 <= base <= 36:
                raise UnreadableError("an index at a number that is no base")
            return Based(token.text.lstrip("0") or "0", int(base))
        decimals = len(token.text.partition(".")[2]) if "." in token.text else None
        return Scalar(sympy.Rational(token.text.rstrip(".")), decimals)

    def _letters(self, letters: str) -> Value:
        if letters in FUNCTIONS or letters in ("log", "sqrt"):
            return self._command(letters)
        if letters in CONSTANTS or letters in GREEK:
            return self._command(letters)
        if len(letters) > 3 or letters.lower() in (
            "and",
            "or",
            "mod",
            "div",
            "no",
            "not",
            "the",
            "is",
            "to",
            "if",
            "dne",
            "for",
        ):
            raise UnreadableError(f"the word {letters!r}")
        # an exponent belongs to the last letter of "xy^2" alone
        self._tokens[self._place - 1 : self._place] = [Token("letters", letter) for letter in letters]
        return Scalar(self._indexed(letters[0]))

    def _indexed(self, name: str) -> Expression:
        if not self._at("_"):
            return symbol(name)
        self._place += 1
        return sympy.Symbol(f"{name}_{self._argument()}")

    def _command(self, name: str) -> Value:
        if name == "lvert":
            return self._absolute("\\rvert")
        return self._matrix() if name == "begin" else Scalar(self._value_of(name))

    def _value_of(self, name: str) -> Expression:
        if name in ("frac", "dfrac", "tfrac"):
            return fraction(self._frac_part(), self._frac_part())
        if name == "sqrt":
            return self._root()
        if name in ("binom", "dbinom", "tbinom"):
            return binomial(self._argument(), self._argument())
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name in GREEK:
            return self._indexed(name)
        if name in FUNCTIONS or name == "log":
            return self._function(name)
        if name in ROUNDED:
            closing, rounded = ROUNDED[name]
            inner = _expression(self._sum())
            self._expect(closing)
            return rounded(inner)
        if name == "mathbb":
            return sympy.Symbol(f"set {self._braced()}")
        raise UnreadableError(f"\\{name} is not known")

    def _braced(self) -> str:
        """One token in braces."""
        self._expect("{")
        text = self._take().text
        self._expect("}")
        return text

    def _frac_part(self) -> Expression:
        r"""A part of `\frac`: a brace group, or one digit or letter (`\frac43` is 4/3)."""
        token = self._peek()
        if token is not None and token.kind == "number" and token.text.isdigit() and len(token.text) > 1:
            self._tokens[self._place] = Token("number", token.text[1:])
            return sympy.Integer(token.text[0])
        return self._argument()

    def _root(self) -> Expression:
        degree = sympy.Integer(2)
        if self._at("["):
            self._place += 1
            degree = _expression(self._sum())
            self._expect("]")
        return root(self._argument(), degree)

    def _function(self, name: str) -> Expression:
        base = sympy.Integer(10)
        if name == "log" and self._at("_"):
            self._place += 1
            base = self._argument()
        raised: Expression | None = None
        if self._at("^"):
            self._place += 1
            raised = self._argument()
        argument = self._function_argument()
        if name == "log":
            return (
                power(sympy.log(argument) / sympy.log(base), raised)
                if raised is not None
                else sympy.log(argument, base)
            )
        if raised == -1 and name in INVERSE:
            return INVERSE[name](argument)
        value = FUNCTIONS[name](argument)
        return value if raised is None else power(value, raised)

    def _function_argument(self) -> Expression:
        if self._at("(", "{"):
            return _expression(self._primary())
        argument = _expression(self._factor())
        while self._begins_factor() and not self._at("(", "[") and self._peek() is not None:
            token = self._peek()
            assert token is not None
            if token.text.lstrip("\\") in FUNCTIONS or token.text == "\\log" or token.kind == "number":
                break
            argument *= _expression(self._factor())
        return argument

    def _bracketed(self, opening: str) -> Value:
        value = self.listed()
        closing = self._take().text
        if closing not in CLOSING:
            raise UnreadableError(f"{opening!r} is not closed")
        opening, closing = opening.lstrip("\\"), closing.lstrip("\\")
        if isinstance(value, Several) and not value.opening:
            return Several(value.items, opening, closing)
        if opening == "{" or isinstance(value, Relation):
            return Several((value,), opening, closing) if opening == "{" else value
        if (opening, closing) in (("(", ")"), ("[", "]")) and isinstance(value, Scalar):
            return Scalar(value.expression)
        if isinstance(value, Several | Union | Matrix):
            return value
        raise UnreadableError("brackets that do not belong together")

    def _absolute(self, closing: str) -> Value:
        self._bars += 1
        inner = _expression(self._sum())
        self._bars -= 1
        self._expect(closing)
        return Scalar(sympy.Abs(inner))

    def _matrix(self) -> Value:
        name = self._braced()
        if name not in MATRICES:
            raise UnreadableError(f"the environment {name!r} is not known")
        if name == "array" and self._at("{"):
            while self._take().text != "}":
                pass
        rows = self._rows()
        for text in ("\\end", "{", name, "}"):
            self._expect(text)
        return Matrix(tuple(tuple(row) for row in rows if row))

    def _rows(self) -> list[list[Expression]]:
        rows: list[list[Expression]] = [[]]
        while not self._at("\\end"):
            if self._at("\\\\"):
                self._place += 1
                rows.append([])
            elif self._at("&"):
                self._place += 1
            else:
                rows[-1].append(_expression(self._sum()))
        return rows

    def _unit_follows(self) -> bool:
        token = self._peek()
        if token is None:
            return False
        if token.kind == "text":
            return token.text.lower().strip() not in ("and", "or", ", and", ", or", "if", "for", "where", "with")
        return token.kind == "letters" and (
            (is_unit(token.text) and len(token.text) > 1) or token.text.lower() in MAGNITUDES
        )

    def _with_unit(self, value: Scalar) -> Scalar:
        name = self._take().text.strip()
        if (times := MAGNITUDES.get(name.lower())) is not None:
            return Scalar(value.expression * times)
        while self._at("^", "**"):
            self._place += 1
            name += f"^{self._argument()}"
        while self._at("/") and (after := self._peek(1)) is not None and (after.kind == "text" or is_unit(after.text)):
            self._place += 1
            name += "/" + self._take().text
            if self._at("^"):
                self._place += 1
                name += f"^{self._argument()}"
        self._expect_end_of_unit()
        return Scalar(value.expression, value.decimals, name)

    def _expect_end_of_unit(self) -> None:
        following = self._peek()
        if not (following is None or following.text.lower() in UNIT_ENDS or self._unit_follows()):
            raise UnreadableError(f"{following.text!r} behind a unit")


def _expression(value: Value) -> Expression:
    if isinstance(value, Scalar):
        return value.expression
    raise UnreadableError("a bracket, a matrix or a numeral in another base inside an expression")


def _is_proper(value: Expression) -> bool:
    return bool(value.is_Rational and 0 < value < 1)
