"""Run in an environment with the wheel, pytest and kafka-python: make compat RUN=pip."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from kafka import KafkaConsumer, KafkaProducer

import gokafka

pytest_plugins = ["pytester"]


def connects(address):
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
        return True
    except OSError:
        return False


def gone(pid):
    try:
        os.kill(pid, 0)
    except OSError:
        return True
    return False


def eventually(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def round_trip(bootstrap, topic, value):
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    producer.send(topic, value).get(20)
    producer.close()
    consumer = KafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=20000)
    try:
        return next(iter(consumer)).value
    finally:
        consumer.close()


@pytest.mark.gokafka(topics={"orders": 3, "events": 1}, auto_create=False)
def test_topics(gokafka_broker):
    consumer = KafkaConsumer(bootstrap_servers=gokafka_broker.bootstrap)
    assert consumer.topics() == {"orders", "events"}
    assert consumer.partitions_for_topic("orders") == {0, 1, 2}
    consumer.close()
    assert round_trip(gokafka_broker.bootstrap, "orders", b"two coffees") == b"two coffees"


def test_each_test_has_its_own(gokafka_broker, gokafka_shared_broker):
    assert gokafka_broker.bootstrap != gokafka_shared_broker.bootstrap
    assert gokafka_broker.cluster_id != gokafka_shared_broker.cluster_id
    assert round_trip(gokafka_broker.bootstrap, "made-by-the-first-record", b"v") == b"v"


def test_stop_and_the_folder(tmp_path):
    broker = gokafka.Broker(dir=str(tmp_path / "data"), topics=["kept"])
    with broker:
        address, pid = broker.bootstrap, broker.pid
        assert connects(address)
    broker.stop()
    assert gone(pid) and not connects(address)
    with pytest.raises(gokafka.BrokerError, match="does not run"):
        broker.bootstrap
    assert (tmp_path / "data" / "kept-0").is_dir()
    with gokafka.Broker(dir=str(tmp_path / "data")) as again:
        consumer = KafkaConsumer(bootstrap_servers=again.bootstrap)
        assert "kept" in consumer.topics()
        consumer.close()


def test_mistakes_are_told():
    with pytest.raises(gokafka.BrokerError, match='(?s)ended with status 1:.*num.partitions: "many" is not an integer'):
        gokafka.Broker(properties={"num.partitions": "many"}).start()
    with pytest.raises(gokafka.BrokerError, match="a b"):
        gokafka.Broker(topics=["a b"]).start()
    with gokafka.Broker() as broker:
        with pytest.raises(gokafka.BrokerError, match="runs already"):
            broker.start()
        with pytest.raises(gokafka.BrokerError, match="status 2: .*bogus"):
            broker.run("bogus")


def test_the_environment_is_about_another_broker(monkeypatch):
    monkeypatch.setenv("KAFKA_LISTENERS", "PLAINTEXT://192.0.2.1:9092")
    with gokafka.Broker() as broker:
        assert broker.bootstrap.startswith("127.0.0.1:")


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_the_broker_goes_with_its_process():
    script = "import gokafka, time; b = gokafka.Broker().start(); print(b.pid, flush=True); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    pid = int(parent.stdout.readline())
    assert not gone(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert eventually(lambda: gone(pid))


def test_the_log_is_shown_when_a_test_fails(pytester):
    pytester.makepyfile("def test_fails(gokafka_broker):\n    assert gokafka_broker.bootstrap == ''\n\ndef test_passes(gokafka_broker):\n    pass\n")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*log of gokafka*", "*Kafka Server started*"])


def test_the_command():
    out = subprocess.run([sys.executable, "-m", "gokafka", "version"], stdout=subprocess.PIPE, universal_newlines=True)
    assert out.returncode == 0 and out.stdout.startswith("gokafka ")
    assert subprocess.run([sys.executable, "-m", "gokafka", "bogus"], stderr=subprocess.DEVNULL).returncode == 2
