"""What every test shares: both event loops, and how hard Hypothesis tries."""

import os

import pytest
from hypothesis import HealthCheck, settings

# A deadline would fail on a busy machine, not on a wrong program.
settings.register_profile("dev", max_examples=30, deadline=None, derandomize=False)
settings.register_profile(
    "ci",
    max_examples=150,
    deadline=None,
    derandomize=True,  # a red build stays red, and a green one green
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "nightly",
    max_examples=3_000,
    deadline=None,
    derandomize=False,  # said, since Hypothesis itself would derandomise wherever it sees CI
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") == "true" else "dev"))


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run each async test on both event loops."""
    backend: str = request.param
    return backend
