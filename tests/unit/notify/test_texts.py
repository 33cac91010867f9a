"""Texts for people."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anomalake.alerts import Cause
from anomalake.groups.grouping import group
from anomalake.notify.alert_json import alert_body
from anomalake.notify.plain import ascii_line, figure, gsm, gsm_length, quoted, shown
from anomalake.notify.texts import long_text, short_text, subject
from tests.support.anomalies import ARN, detector, group_of, interval, judged, metric, rule, scored


def test_the_long_text_tells_every_affected_metric_and_what_was_expected() -> None:
    points = {("views", 3, 0): (20.0, 60.0), ("revenue", 3, 1): (40.0, 55.0), ("views", 3, 1): (20.0, 60.0)}
    _, made = group(*judged({**points, ("revenue", 0, 1): (1234.5, 55.0)}, 2), ARN)
    last = replace(made.intervals[0], score=83.333)
    text = long_text(
        made, last, rule(description="Tell the shop"), detector("Europe/Paris"), page="https://example.com/p"
    )
    assert text == (
        "revenue: anomaly of severity 83.33\n"
        "\n"
        "Detector: shop\n"
        "Alert: watch (Tell the shop)\n"
        "Interval: 2022-01-15 06:00 (Europe/Paris)\n"
        "In all: 1,274.5, expected 200 (+537 %)\n"
        "\n"
        "Affected metrics (2 of 4):\n"
        "  marketplace=de, platform=app: 1,234.5, expected 100 (+1,134 %); range 90 to 110\n"
        "  marketplace=us, platform=web: 40, expected 100 (-60 %); range 90 to 110\n"
        "\n"
        "Contributions:\n"
        "  marketplace: de 95 %, us 5 %\n"
        "  platform: app 95 %, web 5 %\n"
        "Related: views, a likely cause (5 %)\n"
        "\n"
        f"Group: {made.group_id}\n"
        f"https://example.com/p#{ARN}/anomalies/anomaly/{made.group_id}\n"
    )


def test_a_group_that_goes_on_says_since_when() -> None:
    whole = group_of(interval(), interval(at=2))
    assert "Goes on since: 2022-01-15 04:00" in long_text(whole, whole.intervals[1], rule(), detector())
    assert "the measure as a whole: 50, expected 100" in long_text(whole, whole.intervals[1], rule(), detector())
    assert "Goes on" not in long_text(whole, whole.intervals[0], rule(), detector())


def test_a_long_text_ends_where_the_channel_does_and_says_what_it_left_out() -> None:
    whole = group_of(interval([metric(float(i), 1e6, marketplace=f"ü{i}") for i in range(3_000)], observed=3_000))
    text = long_text(whole, whole.intervals[0], rule(), detector(), most_bytes=20_000)
    listed = text.count("marketplace=")
    assert 19_000 < len(text.encode()) <= 20_000
    assert f"  and {3_000 - listed:,} more with smaller deviations\n" in text
    assert "90 others" in text


def test_the_short_text_is_one_sms() -> None:
    whole = group_of(interval([metric(40.0, marketplace="us", platform="web"), metric(60.0, marketplace="de")]))
    assert short_text(whole, replace(whole.intervals[0], score=83.3), detector()) == (
        "shop: revenue anomaly 83.3, 2022-01-15 04:00 UTC, 2 of 21 metrics. 40, expected 100 (-60 %) in "
        "marketplace=us, platform=web"
    )


def test_a_short_text_that_is_too_long_is_cut_with_dots() -> None:
    whole = group_of(interval([metric(40.0, marketplace="{[€]}" * 40, platform="web")]), measure="r" * 200)
    text = short_text(whole, whole.intervals[0], detector(name="d" * 63))
    assert gsm_length(text) <= 160
    assert text.endswith("...")
    assert "2022-01-15" in text


def test_the_subject_is_what_sns_allows() -> None:
    whole = group_of(interval(), measure="Umsatz – größer\r\nBcc: x@example.com" + "é" * 90)
    line = subject(whole, whole.intervals[0], detector())
    assert line.startswith("Anomaly 7")
    assert "Umsatz - gro?er" in line
    assert len(line) < 100
    assert "\n" not in line


def test_a_daily_detector_says_the_day() -> None:
    whole = group_of(interval())
    assert subject(whole, scored(70), detector(frequency="P1D")) == "Anomaly 70: revenue in shop, 2022-01-15"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("us", "us"),
        ("device type", "device type"),
        ("", '""'),
        ("a, platform=web", '"a, platform=web"'),
        ('6" nails', '"6\' nails"'),
        ("two\nlines\x00", '"two\\u000alines\\u0000"'),
        ("\u202eevil", '"\\u202eevil"'),
        ("👩\u200d💻", '"👩\u200d💻"'),
        ("x" * 100, '"' + "x" * 59 + '…"'),
    ],
)
def test_a_value_is_shown_so_that_nothing_hides_in_it(value: str, text: str) -> None:
    assert quoted(value) == text
    assert "\n" not in shown(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (650.0, "650"),
        (1234.5678, "1,234.57"),
        (-1e6 / 3, "-333,333"),
        (123456789.0, "123,456,789"),
        (0.00123456789, "0.00123457"),
        (-0.5, "-0.5"),
        (1e-9, "1e-09"),
        (2.5e15, "2.5e+15"),
        (99.99999999, "100"),
    ],
)
def test_figures_have_six_digits(value: float, text: str) -> None:
    assert figure(value) == text


def test_letters_that_an_sms_lacks() -> None:
    assert gsm("Größe – café ñ č 日本 €") == "Größe - café ñ c ?? €"
    assert gsm_length("a€") == 3


def test_a_line_in_ascii() -> None:
    assert ascii_line("  naïve  day 🙂  ", 20) == "naive day ?"
    assert ascii_line("a" * 30, 10) == "aaaaaaa..."


CAUSES = (
    Cause((("carrier", "UA"), ("origin", "EWR")), -0.62, 0.71, 31.5),
    Cause((("carrier", "a\nb"),), 1.5, 0.2, 12.0),
    Cause((), -0.1, 0.05, 3.0),
    Cause((("carrier", "DL"),), -0.1, 0.01, 2.0),
)


def test_the_long_text_tells_the_first_three_root_causes() -> None:
    whole = group_of(replace(interval(), causes=CAUSES))
    text = long_text(whole, whole.intervals[0], rule(), detector())
    assert (
        "\n\nRoot causes:\n"
        "  carrier UA at EWR: 62 % fewer than expected; explains 71 %\n"
        '  carrier "a\\u000ab": 150 % more than expected; explains 20 %\n'
        "  all metrics: 10 % fewer than expected; explains 5 %\n"
        "\nAffected metrics"
    ) in text


def test_the_short_text_tells_the_first_root_cause_in_place_of_the_first_metric() -> None:
    whole = group_of(replace(interval(), causes=CAUSES))
    text = short_text(whole, whole.intervals[0], detector())
    assert text.endswith(", 1 of 21 metrics. carrier UA at EWR: 62 % fewer than expected")
    long = replace(CAUSES[0], dimensions=(("carrier", "U" * 200), ("origin", "E" * 200)))
    assert gsm_length(short_text(whole, replace(whole.intervals[0], causes=(long,)), detector())) <= 160


def test_the_json_of_an_alert_has_no_root_causes() -> None:
    whole, caused = group_of(interval()), group_of(replace(interval(), causes=CAUSES))
    bodies = [alert_body(made, made.intervals[0], rule(), detector()) for made in (whole, caused)]
    assert bodies[0] == bodies[1]
