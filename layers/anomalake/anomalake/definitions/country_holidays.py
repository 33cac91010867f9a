"""Holidays of a country, from the package holidays."""

from __future__ import annotations

import difflib
import warnings
from datetime import date

from anomalake.definitions.fields import Fields
from anomalake.definitions.messages import listed

#: Years whose holidays are used.
YEARS = range(1970, 2070)
MOST_COUNTRIES = 20

_SHOWN = 60


def read_country_holidays(fields: Fields) -> frozenset[date]:
    """Read Country and Subdivision; return the public holidays of `YEARS`, none after a problem."""
    # Not in the layers of functions that read no detector file; and the import takes a tenth of a second.
    import holidays
    from holidays import registry

    country = fields.text("Country", "a country's code, such as US", required=True)
    subdivision = fields.text("Subdivision", "a code of ISO 3166-2 without the country's, such as CA")
    fields.unknown()
    if not country:
        return frozenset()
    names = {codes[1]: name.replace("_", " ").title() for name, codes in registry.COUNTRIES.items()}
    if country not in names:
        others = {alias.lower(): codes[1] for codes in registry.COUNTRIES.values() for alias in codes}
        others |= {name.lower(): code for code, name in names.items()}
        given = country.lower()
        matches = [given] if given in others else difflib.get_close_matches(given, others)
        near = dict.fromkeys(others[match] for match in matches)
        hint = f"; did you mean {' or '.join(f'{code} ({names[code]})' for code in near)}?" if near else ""
        fields.problem("Country", f"{country[:_SHOWN]!r}: expected a country's code of two letters, such as US{hint}")
        return frozenset()
    with warnings.catch_warnings():
        # Some calendars are known for fewer years.
        warnings.simplefilter("ignore")
        known = holidays.country_holidays(country)
        codes = {code.lower(): code for code in known.subdivisions}
        aliases = {name.lower(): code for name, code in known.subdivisions_aliases.items()}
        if subdivision and subdivision not in known.subdivisions:
            others = aliases | codes
            near = dict.fromkeys(others[other] for other in difflib.get_close_matches(subdivision.lower(), others))
            expected = f"one of {country}'s: {listed(known.subdivisions)}" if codes else f"none, for {country} has none"
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            fields.problem("Subdivision", f"{subdivision[:_SHOWN]!r}: expected {expected}{hint}")
            return frozenset()
        return frozenset(holidays.country_holidays(country, subdiv=subdivision or None, years=YEARS))
