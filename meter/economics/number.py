"""Numbers as people write them: 175e9, 175B, 312 TFLOP/s, 21.3%; exact."""

from __future__ import annotations

import re
from fractions import Fraction

from meter.errors import InputError

SUFFIXES = {
    "": 1,
    "k": 10**3,
    "thousand": 10**3,
    "m": 10**6,
    "million": 10**6,
    "b": 10**9,
    "bn": 10**9,
    "g": 10**9,
    "billion": 10**9,
    "t": 10**12,
    "tn": 10**12,
    "trillion": 10**12,
    "p": 10**15,
    "e": 10**18,
}
"""What a number may be followed by: B is a billion of parameters, G a billion of FLOP."""
_UNITS = (
    r"(?:flops?(?:/s|/sec|/second)?|parameters?|params?|tokens?|tok(?:/s|/sec)?|usd|seconds?|sec|s|hours?|h|/s|/h)?"
)
_WRITTEN = re.compile(
    r"(?P<number>\d[\d,_]*(?:\.\d+)?|\.\d+)(?:e(?P<power>[+-]?\d{1,2}))?\s*"
    rf"(?P<suffix>{'|'.join(sorted(filter(None, SUFFIXES), key=len, reverse=True))})?\s*{_UNITS}",
)
_LONGEST = 64


def quantity(text: str, what: str, *, least: Fraction | int = 0, most: Fraction | int, example: str) -> Fraction:
    """Return a number above 0, from `least` up to `most`; raise InputError for any other."""
    number = _number(text)
    if number is None:
        raise InputError(f'{what} is "{text}", which is no number; give one like {example}.')
    if number <= 0:
        raise InputError(f'{what} is "{text}"; give a number above 0, like {example}.')
    if not least <= number <= most:
        size = "small" if number < least else "large"
        raise InputError(f'{what} is "{text}", which is too {size} to be meant; give one like {example}.')
    return number


def share(text: str, what: str, example: str = "21.3%") -> Fraction:
    """Return a share above 0 up to 1, written 21.3% or 0.213; raise InputError for any other."""
    found = re.fullmatch(r"(-?[\d.]+)\s*(%?)", text.strip())
    number = _number(found[1].removeprefix("-")) if found else None
    if found is None or number is None:
        raise InputError(f'{what} is "{text}", which is no share; give one like {example}.')
    meant = number / 100 if found[2] else number
    if found[1].startswith("-") or not 0 < meant <= 1:
        percent = f" {text.strip()} without a % is {float(meant * 100):g} %." if not found[2] and meant > 1 else ""
        raise InputError(f'{what} is "{text}"; give one above 0 % up to 100 %, like {example}.{percent}')
    return meant


def _number(text: str) -> Fraction | None:
    """Return what is written, 0 for what is below it; None for no number."""
    plain = text.strip().lower()
    if len(plain) > _LONGEST or not plain.isascii():
        return None
    below = plain.startswith("-")
    found = _WRITTEN.fullmatch(plain.removeprefix("-").removeprefix("+").removeprefix("$").strip())
    if found is None:
        return None
    number = Fraction(re.sub("[,_]", "", found["number"])) * SUFFIXES[found["suffix"] or ""]
    return Fraction(0) if below else number * Fraction(10) ** int(found["power"] or 0)
