"""What the names of columns say: words of time, of measures, of identifiers."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_WORDS = re.compile(r"[^\W\d_]+|\d+")
_UNITS = re.compile(r"[\[(]([^\])]*)[\])]")
_CAMEL = re.compile(r"(?<=[a-z\u00df-\u00ff])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


TIME: Final = _set(
    "date datetime time timestamp ts dt datum fecha data dates zeit zeitpunkt zeitstempel datetimeutc when "
    "period periode day month week year moment interval heure horodatage jour tag instant asof created occurred "
    "event start begin observed obstime utc tempo giorno dia mes ano jahr monat annee mois hora timeperiod "
    "start_time refdate reportdate"
)
#: Words that name a time with others, such as ``created_at``.
TIME_ENDS: Final = _set("at on date time ts")
YEAR: Final = _set("year years yr yyyy jahr anno annee ano año an jaar")
MONTH: Final = _set("month months mon mo mm mnth monat mese mois mes maand")
DAY: Final = _set("day days dd dom mday tag giorno jour dia dag dayofmonth date")
HOUR: Final = _set("hour hours hr hrs hh hora heure ora stunde std uur hod he")
MINUTE: Final = _set("minute minutes min mins minuto minuten mm")
QUARTER: Final = _set("quarter qtr quartal trimestre trimester q kwartaal")
WEEK: Final = _set("week weeks wk woche semaine settimana semana kw weekofyear isoweek week_number")
CLOCK: Final = _set("time zeit uhrzeit heure hora ora tod timeofday clock hour hr")
#: Parts of the calendar, which follow from the time.
CALENDAR: Final = (
    YEAR
    | MONTH
    | HOUR
    | QUARTER
    | WEEK
    | _set(
        "weekday dow dayofweek day weekend workingday workday holiday season seasons wochentag feiertag monthday "
        "yday doy dayofyear minute minutes second seconds weekofyear isweekend isholiday fiscal semester"
    )
)
IDENTIFIER: Final = _set(
    "id ids uuid guid key pk index idx invoice order code number nr no num ref hash serial sku barcode isbn "
    "email phone url ip session token account customer user client patient fips zip postcode plz objectid rowid "
    "transaction receipt ticket unnamed lineno row"
)
#: Things that are numbered.
THING: Final = _set(
    "store shop item product branch station sensor device machine meter site location zone region district line "
    "route dept department group cluster node host server unit household building customer customer_id market "
    "series category account channel warehouse plant turbine pump room cell area block pod filiale artikel "
    "stazione"
)
#: Kinds of events that have numbers.
KIND: Final = THING | _set("status type kind class code level severity priority method protocol port reason")
LABEL: Final = _set(
    "label labels anomaly anomalies anomalous isanomaly outlier outliers isoutlier attack fraud isfraud "
    "groundtruth is_anomaly target class gt changepoint flagged"
)
PLACE: Final = _set("lat latitude lon lng longitude latitud longitud geo coordinates")
NEIGHBOUR: Final = _set("previous prev last next lag lagged lead shifted")
TOTAL: Final = _set(
    "total totals all overall sum gesamt insgesamt summe alle totale tutti tout tous todos world global "
    "worldwide welt monde mondo eu eu27 eu28 ea ea19 ea20 wld oecd oecdtotal g7 g20 national nationwide grand "
    "aggregate"
)
CUMULATIVE: Final = _set(
    "cumulative cum cumul cumulated kumuliert kum cumulato cumule acumulado running todate ytd lifetime"
)

SUM: Final = _set(
    "count counts cnt n number numbers num nb total totals sale sales sold volume vol quantity quantities qty "
    "amount amounts revenue revenues turnover order orders view views pageview pageviews click clicks impression "
    "impressions visit visits visitor visitors session sessions birth births death deaths case cases push pushes "
    "request requests passenger passengers trip trips ride rides rented rental rentals rider riders bike bikes "
    "cyclists pedestrian pedestrians vehicle vehicles bytes packets transaction transactions download downloads "
    "upload uploads install installs signup signups registrations registered casual call calls ticket tickets "
    "error errors failure failures incident incidents accident accidents crime crimes arrival arrivals departure "
    "departures flight flights cancelled new daily increase decrease confirmed recovered tests tested rain "
    "rainfall precipitation precip prcp kwh mwh gwh consumption production generation units items goals "
    "tweets tweet posts comments likes commits messages emails hits spend spent costs expenses income profit "
    "loss ridership boardings entries exits enplanements shipments exports imports admissions hospitalizations "
    "hospitalisations vaccinations vaccinated doses injured killed wounded anzahl faelle falle umsatz menge neue "
    "tote todesfaelle geheilt verkauf verkaufe absatz zahl nuovi deceduti casi numero vendite nombre ventes "
    "deces nouveaux cas casos ventas muertes fallecidos nuevos cantidad aantal verkoop customers users guests "
    "players people employees stars forks pulls pageloads repositories developers organizations"
)
AVG: Final = _set(
    "rate rates ratio percent percentage pct perc price prices temperature temperatures temp temps tmin tmax "
    "tavg tmean humidity pressure mean avg average averages median max min maximum minimum high low open close "
    "closing opening adj adjusted vwap score scores level levels speed visibility dew radiation irradiance cpu "
    "util utilization utilisation load latency duration delay age voltage current power yield yields incidence "
    "inzidenz unemployment concentration pm pm2 pm10 ozone no2 o3 co co2 so2 nox share shares balance rating "
    "ratings exchange fx wind gust flow depth height weight density efficiency ph turbidity spread std stdev "
    "stddev var variance quantile p50 p90 p95 p99 percentile per capita gdp population value_change change "
    "return returns growth inflation cpi index indices response smoothed rolling moving ma ma7 interest "
    "elasticity discharge gauge stage humidex cloud uv snow_depth snowdepth inventory stock occupancy beds "
    "price_per preis preise kurs quote temperatur durchschnitt mittel mittelwert mittlere anteil prix taux "
    "moyenne prezzo prezzi tasso media precio precios tasa promedio temperatura humedad umidita pressione prijs "
    "reservoir storage sentiment conductivity salinity oxygen altitude elevation frequency hz rpm torque "
    "vibration sensor acceleration proportion usd eur gbp jpy forecast predicted expected bid ask settle nav "
    "cases_per celsius fahrenheit degc degf hpa mph kmh ms"
)
#: Words of averages that outweigh those of amounts, as in ``average sales``.
STRONG_AVG: Final = _set(
    "rate ratio percent percentage pct avg average mean median per index incidence inzidenz price share smoothed "
    "rolling moving"
)
_AVG_UNITS = re.compile(
    r"%|°|\ufffd?c|f|k|hpa|mbar|bar|v|a|w|kw|mw|.*/.*|db.*|µg.*|ppm|ppb|ms|s|sec|usd|eur|\$|€|m|cm|ft|hz|rpm"
)
_SUM_UNITS = re.compile(r"kwh|mwh|gwh|wh|count|n|number|#|bytes|b|mb|gb|l|liters?|litres?|m3|mm|in|units?|tonnes?|t")


@lru_cache(maxsize=4_096)
def words(name: str) -> tuple[str, ...]:
    """The words of a name, in small letters and without accents: ``AnzahlFälle_2`` is ``anzahl faelle 2``."""
    text = _CAMEL.sub(" ", name.strip())
    text = text.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue").replace("ß", "ss")
    text = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return tuple(_WORDS.findall(text.casefold()))


def has(name: str, vocabulary: frozenset[str]) -> bool:
    """Whether a name has a word of a vocabulary, also as the whole name without its separators."""
    found = words(name)
    return not vocabulary.isdisjoint(found) or "".join(found) in vocabulary


def unit_of(name: str) -> str:
    """The aggregation function that the unit in a name speaks for: ``SUM``, ``AVG``, or nothing."""
    for unit in _UNITS.findall(name.casefold()):
        if _SUM_UNITS.fullmatch(unit.strip()):
            return "SUM"
        if _AVG_UNITS.fullmatch(unit.strip()):
            return "AVG"
    return ""


def time_score(name: str) -> float:
    """How much a name sounds like that of a time, 0 to 1."""
    found = words(name)
    if not found:
        return 0.0
    joined = "".join(found)
    if joined in TIME:
        return 1.0
    hits = sum(word in TIME for word in found)
    if hits:
        return 0.6 + 0.3 * (hits == len(found)) + 0.1 * (found[-1] in TIME_ENDS)
    if any(word.startswith(("date", "time")) or word.endswith(("date", "time", "datum", "zeit")) for word in found):
        return 0.6
    return 0.5 if found[-1] in TIME_ENDS else 0.0
