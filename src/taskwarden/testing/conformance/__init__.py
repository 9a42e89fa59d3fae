"""
The conformance suite: every promise of ``Store`` as a test, for whoever writes a store.

Subclass ``StoreConformance`` in a test module, and say how a fresh store is made::

    class TestMyStore(StoreConformance):
        @asynccontextmanager
        async def make_store(self, clock: VirtualClock) -> AsyncIterator[Store]:
            store = await MyStore.open("mydb://", now=clock.now)
            yield store
            await store.close()

It needs pytest with anyio's plugin, and runs on both event loops. What a store may but need not do is told by the
other methods of ``Suite``: where they answer None, the tests of it are skipped and say why.
"""

import pytest

_THEMES = (
    "claiming",
    "completing",
    "dependencies",
    "ensuring",
    "extremes",
    "fencing",
    "lasting",
    "leases",
    "manual",
    "moving",
    "sharing",
    "steering",
    "telling",
    "waking",
    "walls",
)
# Before they are imported, so that a failed assertion shows its values also outside this project.
pytest.register_assert_rewrite(*(f"{__name__}.{theme}" for theme in (*_THEMES, "suite")))

from taskwarden.testing.conformance.claiming import Claiming  # noqa: E402
from taskwarden.testing.conformance.completing import Completing  # noqa: E402
from taskwarden.testing.conformance.dependencies import Dependencies  # noqa: E402
from taskwarden.testing.conformance.ensuring import Ensuring  # noqa: E402
from taskwarden.testing.conformance.extremes import Extremes  # noqa: E402
from taskwarden.testing.conformance.fencing import Fencing  # noqa: E402
from taskwarden.testing.conformance.lasting import Lasting  # noqa: E402
from taskwarden.testing.conformance.leases import Leases  # noqa: E402
from taskwarden.testing.conformance.manual import ManualRuns  # noqa: E402
from taskwarden.testing.conformance.moving import Moving  # noqa: E402
from taskwarden.testing.conformance.sharing import Sharing  # noqa: E402
from taskwarden.testing.conformance.steering import Steering  # noqa: E402
from taskwarden.testing.conformance.telling import Telling  # noqa: E402
from taskwarden.testing.conformance.waking import Waking  # noqa: E402
from taskwarden.testing.conformance.walls import Walls  # noqa: E402

__all__ = ["StoreConformance"]


class StoreConformance(
    Claiming,
    Completing,
    Dependencies,
    Ensuring,
    Extremes,
    Fencing,
    Lasting,
    Leases,
    ManualRuns,
    Moving,
    Sharing,
    Steering,
    Telling,
    Waking,
    Walls,
):
    """All promises of ``Store``: one test for each. Subclass it and write ``make_store``."""
