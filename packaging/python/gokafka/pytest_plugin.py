"""Fixtures for pytest; pytest finds them without an import.

    @pytest.mark.gokafka(topics={"orders": 3})
    def test_orders(gokafka_broker):
        producer = KafkaProducer(bootstrap_servers=gokafka_broker.bootstrap)
"""

import pytest

from ._broker import Broker


def pytest_configure(config):
    config.addinivalue_line("markers", "gokafka(topics, properties, auto_create): how the fixture gokafka_broker starts its broker")


@pytest.fixture
def gokafka_broker(request):
    """A broker of this test's own."""
    marker = request.node.get_closest_marker("gokafka")
    with Broker(**(marker.kwargs if marker else {})) as broker:
        yield broker


@pytest.fixture(scope="session")
def gokafka_shared_broker():
    """A broker that all tests share."""
    with Broker() as broker:
        yield broker


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows the log of the broker with a test that has failed."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for broker in getattr(item, "funcargs", {}).values():
            if isinstance(broker, Broker):
                report.sections.append(("log of gokafka", broker.log()))
