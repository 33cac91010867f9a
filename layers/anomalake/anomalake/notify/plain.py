"""Names, values and numbers in texts for people: on one line, in ASCII or in the letters of an SMS where need be."""

from __future__ import annotations

import re
import unicodedata

#: Longest name or value that a text quotes whole.
MOST_SHOWN = 60

# Control, format (right-to-left marks among them), surrogates, private, unassigned, line and paragraph separators.
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_JOINER = "\u200d"
_BARE = re.compile(r"[\w.+/:%&@-]+(?: [\w.+/:%&@-]+)*")

_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWO = frozenset("^{}\\[~]|€")
_ALIKE = str.maketrans(
    {"–": "-", "—": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "·": ",", "×": "x"}
)


def shown(text: str, most: int = MOST_SHOWN) -> str:
    """A name as people can read it: one line, nothing that is invisible or turns the text around, not too long."""
    clean = "".join(_visible(character) for character in text)
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def quoted(text: str) -> str:
    """The same, in quotes where it could be taken for more than one value."""
    clean = shown(text)
    return clean if _BARE.fullmatch(clean) else '"' + clean.replace('"', "'") + '"'


def _visible(character: str) -> str:
    if unicodedata.category(character) in _HIDDEN and character != _JOINER:
        point = ord(character)
        return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
    return " " if character.isspace() else character


def figure(value: float) -> str:
    """A number of at most six digits, with thousands parted: ``1,234.5``."""
    if value and not 1e-4 <= abs(value) < 1e15:
        return f"{value:.6g}"
    if abs(value) < 1:
        text = f"{float(f'{value:.6g}'):.9f}"
    else:
        text = f"{value:,.{max(6 - len(str(int(abs(value)))), 0)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def gsm(text: str) -> str:
    """Text in the alphabet of an SMS of 160 letters: accents that it lacks dropped, `?` for what it cannot say."""
    made = []
    for character in text.translate(_ALIKE):
        if character in _GSM or character in _GSM_TWO:
            made.append(character)
            continue
        bare = "".join(one for one in unicodedata.normalize("NFKD", character) if not unicodedata.combining(one))
        made.append(bare if bare and all(one in _GSM for one in bare) else "?")
    return "".join(made)


def gsm_length(text: str) -> int:
    """How many of an SMS's 160 places a text in its alphabet takes."""
    return sum(2 if character in _GSM_TWO else 1 for character in text)


def ascii_line(text: str, most: int) -> str:
    """Text as the subject of an e-mail: printable ASCII, at most so long, beginning with a letter or digit."""
    parts = unicodedata.normalize("NFKD", text.translate(_ALIKE))
    bare = "".join(one if " " <= one <= "~" else "?" for one in parts if not unicodedata.combining(one))
    line = " ".join(bare.split())
    return line if len(line) <= most else line[: most - 3].rstrip() + "..."
