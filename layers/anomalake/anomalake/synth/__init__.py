"""Labelled e-commerce data, made from a seed: an easy shop by known figures, and a hard one (docs/synth.md)."""

from anomalake.synth.events import KINDS, Events
from anomalake.synth.settings import ShopSettings, ShopSettingsError
from anomalake.synth.shop import Shop, shop
from anomalake.synth.writing import write_shop

__all__ = ["KINDS", "Events", "Shop", "ShopSettings", "ShopSettingsError", "shop", "write_shop"]
