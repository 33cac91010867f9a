"""Contributions in whole per cent add up to 100."""

from __future__ import annotations

from anomalake.groups.contributions import contributions, whole_per_cent


def shares(affected: list[tuple[tuple[tuple[str, str], ...], float]]) -> list[tuple[str, str, int]]:
    return [
        (share.dimension_name, share.dimension_value, share.value_contribution) for share in contributions(affected)
    ]


def test_shares_are_of_the_absolute_deviation() -> None:
    affected = [
        ((("m", "uk"), ("p", "app")), -68.0),
        ((("m", "fr"), ("p", "web")), 22.0),
        ((("m", "fr"), ("p", "app")), 10.0),
    ]
    assert shares(affected) == [("m", "uk", 68), ("m", "fr", 32), ("p", "app", 78), ("p", "web", 22)]


def test_the_largest_remainder_is_rounded_up() -> None:
    assert whole_per_cent({"a": 1, "b": 1, "c": 1}) == {"a": 34, "b": 33, "c": 33}
    assert whole_per_cent({"a": 0.7, "b": 49.7, "c": 49.6}) == {"a": 1, "b": 50, "c": 49}
    assert whole_per_cent({"b": 50, "a": 50}) == {"a": 50, "b": 50}


def test_two_hundred_equal_values_share_a_hundred() -> None:
    shared = whole_per_cent({f"{i:03}": 0.1 for i in range(200)})
    assert sum(shared.values()) == 100
    assert [shared["099"], shared["100"]] == [1, 0]


def test_a_dimension_is_shared_among_the_metrics_that_have_it() -> None:
    assert shares([((("m", "uk"),), 90.0), ((("m", "uk"), ("p", "app")), 10.0)]) == [
        ("m", "uk", 100),
        ("p", "app", 100),
    ]


def test_without_deviations_all_metrics_have_the_same_weight() -> None:
    affected = [((("m", "uk"),), 0.0), ((("m", "uk"),), 0.0), ((("m", "fr"),), 0.0)]
    assert shares(affected) == [("m", "uk", 67), ("m", "fr", 33)]


def test_amounts_of_any_size_are_exact() -> None:
    assert whole_per_cent({"a": 1e300, "b": 5e-324}) == {"a": 100, "b": 0}
    assert whole_per_cent({"a": 1e300, "b": 1e300}) == {"a": 50, "b": 50}
