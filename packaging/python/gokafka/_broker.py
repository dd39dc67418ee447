import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time


class BrokerError(Exception):
    """The broker did not do what was asked of it; the message ends with its log."""


def binary():
    """The path of the gokafka binary: the one that the variable GOKAFKA_BINARY names, or that of this package."""
    path = os.environ.get("GOKAFKA_BINARY")
    if path:
        return path
    name = "gokafka.exe" if sys.platform == "win32" else "gokafka"
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", name)
    if not os.path.exists(path):
        raise BrokerError(path + " is missing: this is not the wheel for this platform")
    if not os.access(path, os.X_OK):  # some installers lose the permission
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return path


class Broker:
    """A broker on a free port of 127.0.0.1 with its data in a temporary folder.

    It is a context manager; start() and stop() do the same by hand. It ends with this process at the latest, even when that is killed.

    topics: names, or a dict of names and numbers of partitions, to be there from the start.
    properties: keys of server.properties.
    auto_create: whether asking for a topic that does not exist creates it.
    dir: a folder for the data that is to stay; a temporary one otherwise.
    timeout: seconds that start and stop may take.
    """

    def __init__(self, topics=None, properties=None, auto_create=True, dir=None, timeout=30.0):
        self.topics = dict(topics) if hasattr(topics, "keys") else {name: 1 for name in topics or ()}
        self.properties = dict(properties or {})
        self.properties.setdefault("auto.create.topics.enable", auto_create)
        self.timeout = timeout
        self._dir = dir
        self._tmp = None
        self._process = None
        self._ready = None

    @property
    def bootstrap(self):
        """The address for bootstrap_servers, "127.0.0.1:12345"."""
        return self._running()["bootstrap"]

    @property
    def cluster_id(self):
        """The id of the cluster that clients see."""
        return self._running()["cluster_id"]

    @property
    def pid(self):
        """The process id of the broker."""
        return self._running()["pid"]

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Starts the broker and returns it once it serves and has its topics."""
        if self._process:
            raise BrokerError("the broker runs already")
        self._tmp = tempfile.mkdtemp(prefix="gokafka-")
        try:
            self._spawn()
            self._await_ready()
            self._create_topics()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self):
        """Stops the broker and waits for its end. Stopping twice is fine."""
        process, self._process, self._ready = self._process, None, None
        try:
            if process:
                process.stdin.close()  # it stops with its standard input
                try:
                    process.wait(self.timeout)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        finally:
            if self._tmp:
                shutil.rmtree(self._tmp, ignore_errors=True)
                self._tmp = None

    def run(self, *args, **kwargs):
        """Runs a command of gokafka beside the broker, such as run("topic", "list", "-b", broker.bootstrap), and returns what it prints."""
        done = subprocess.run([binary()] + list(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                              timeout=self.timeout, **kwargs)
        if done.returncode != 0:
            raise BrokerError("gokafka %s: status %d: %s" % (" ".join(args), done.returncode, (done.stderr or done.stdout).strip()))
        return done.stdout

    def log(self):
        """What the broker has logged since its start."""
        if not self._tmp:
            return ""
        with open(os.path.join(self._tmp, "broker.log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def _running(self):
        if not self._ready:
            raise BrokerError("the broker does not run")
        return self._ready

    def _spawn(self):
        properties = {
            "listeners": "PLAINTEXT://127.0.0.1:0",
            "log.dirs": self._dir or os.path.join(self._tmp, "data"),
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.num.partitions": 4,
        }
        properties.update(self.properties)
        command = [binary(), "server", "--ready-file", os.path.join(self._tmp, "ready.json"), "--exit-with-stdin"]
        for key, value in properties.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            command += ["--override", "%s=%s" % (key, text)]
        # The KAFKA_ variables of the machine are about another broker.
        environ = {k: v for k, v in os.environ.items() if not k.startswith("KAFKA_") and k != "CLUSTER_ID"}
        with open(os.path.join(self._tmp, "broker.log"), "wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=environ)

    def _await_ready(self):
        end = time.monotonic() + self.timeout
        while self._ready is None:
            try:
                with open(os.path.join(self._tmp, "ready.json"), encoding="utf-8") as f:
                    self._ready = json.load(f)
                    return
            except FileNotFoundError:
                pass
            if self._process.poll() is not None:
                raise BrokerError("the broker ended with status %d:\n%s" % (self._process.returncode, self.log()))
            if time.monotonic() > end:
                raise BrokerError("the broker was not ready within %g s:\n%s" % (self.timeout, self.log()))
            time.sleep(0.002)

    def _create_topics(self):
        for name, partitions in self.topics.items():
            self.run("kafka-topics", "--bootstrap-server", self.bootstrap, "--create", "--topic", name, "--partitions", str(partitions))
