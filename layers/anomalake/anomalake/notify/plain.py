"""Names, values and numbers in texts for people: on one line, in ASCII or in the SMS alphabet (GSM 03.38)."""

from __future__ import annotations

import re
import unicodedata

#: Maximum length of a name or value in a text.
MOST_SHOWN = 60

# Control, format (right-to-left marks among them), surrogates, private, unassigned, line and paragraph separators.
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_JOINER = "\u200d"
_BARE = re.compile(r"[\w.+/:%&@-]+(?: [\w.+/:%&@-]+)*")

_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED = frozenset("^{}\\[~]|€")
_SIMILAR = str.maketrans(
    {"–": "-", "—": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "·": ",", "×": "x"}
)


def shown(text: str, most: int = MOST_SHOWN) -> str:
    """A name for display: one line, bounded length, invisible and direction-changing characters escaped."""
    clean = "".join(_visible(character) for character in text)
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def quoted(text: str) -> str:
    """A name for display, in quotes if it could be read as several values."""
    clean = shown(text)
    return clean if _BARE.fullmatch(clean) else '"' + clean.replace('"', "'") + '"'


def _visible(character: str) -> str:
    if unicodedata.category(character) in _HIDDEN and character != _JOINER:
        point = ord(character)
        return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
    return " " if character.isspace() else character


def figure(value: float) -> str:
    """A number with at most six significant digits and thousands separators: ``1,234.5``."""
    if value and not 1e-4 <= abs(value) < 1e15:
        return f"{value:.6g}"
    if abs(value) < 1:
        text = f"{float(f'{value:.6g}'):.9f}"
    else:
        text = f"{value:,.{max(6 - len(str(int(abs(value)))), 0)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def gsm(text: str) -> str:
    """Text in the SMS alphabet: unknown accents are dropped, other unknown characters become ``?``."""
    letters = []
    for character in text.translate(_SIMILAR):
        if character in _GSM or character in _GSM_EXTENDED:
            letters.append(character)
            continue
        parts = unicodedata.normalize("NFKD", character)
        bare = "".join(part for part in parts if not unicodedata.combining(part))
        letters.append(bare if bare and all(letter in _GSM for letter in bare) else "?")
    return "".join(letters)


def gsm_length(text: str) -> int:
    """Length of a text in the SMS alphabet; an SMS has 160 characters."""
    return sum(2 if character in _GSM_EXTENDED else 1 for character in text)


def ascii_line(text: str, most: int) -> str:
    """Text as the subject of an e-mail: printable ASCII on one line, of bounded length."""
    parts = unicodedata.normalize("NFKD", text.translate(_SIMILAR))
    bare = "".join(part if " " <= part <= "~" else "?" for part in parts if not unicodedata.combining(part))
    line = " ".join(bare.split())
    return line if len(line) <= most else line[: most - 3].rstrip() + "..."
