"""What runs the primitives. The rest of the package asks nothing else and does not know how many engines there are."""

from addax.engine.native import *  # noqa: F403
from addax.engine.native import __all__ as __all__
