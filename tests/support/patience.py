"""How long tests wait for what must come."""

from __future__ import annotations

from typing import Final

#: Seconds: so many that a busy or slow machine never ends a wait, only a fault does.
PATIENCE: Final = 240
#: For what builds or deploys the whole stack.
BUILD_PATIENCE: Final = 1_500
