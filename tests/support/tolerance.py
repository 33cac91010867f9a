"""How far the same result may differ between processors."""

from __future__ import annotations

from typing import Final

#: Severities, of 0 to 100. BLAS has kernels of its own for each kind of processor, which add up in another order and
#: in single precision; the filter carries the differences on from interval to interval. On labelled KPIs of 4,000 to
#: 22,000 intervals they reach 0.003.
BETWEEN_PROCESSORS: Final = 0.02
