"""Labelled synthetic e-commerce data: an easy shop and a hard one (docs/synth.md)."""

from anomalake.synth.events import KINDS, Events
from anomalake.synth.settings import ShopSettings, ShopSettingsError
from anomalake.synth.shop import Shop, shop
from anomalake.synth.writing import write_shop

__all__ = ["KINDS", "Events", "Shop", "ShopSettings", "ShopSettingsError", "shop", "write_shop"]
