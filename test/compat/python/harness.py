"""What the Python client programs share: named scenarios, run one after another, each reported on a line of its own.

A program is called as  PROGRAM BROKER [REGEX]  and prints, for each scenario whose name matches,
"ok NAME SECONDS", "skip NAME SECONDS reason" or "FAIL NAME SECONDS reason": the lines the runner (package main above) reads.
What a scenario prints besides, and tracebacks, go to standard error.
"""
import os
import re
import signal
import sys
import time
import traceback

LIMIT_S = 200  # of one scenario; far beyond what any takes
_scenarios = []
_mark = "%x" % (time.time_ns() // 1000000 & 0xFFFFFF)


class Skip(Exception):
    """Raised by a scenario for what this client cannot do, whatever the broker: says why."""


def scenario(fn):
    _scenarios.append(fn)
    return fn


def fresh(word):
    """A name (of a topic, a group) that no other scenario, client or run uses."""
    fresh.n += 1
    return "%s-%s-%s-%d" % (os.path.basename(sys.argv[0]).split(".")[0].replace("_", "-"), word, _mark + "%x" % os.getpid(), fresh.n)


fresh.n = 0


def equal(got, want, what=""):
    if got != want:
        raise AssertionError("%sgot %s, want %s" % (what and what + ": ", _short(got), _short(want)))


def eventually(check, seconds=90, every=0.1):
    """Calls check until it returns without an AssertionError; the last error is the scenario's when time is over."""
    end = time.time() + seconds
    while True:
        try:
            return check()
        except AssertionError:
            if time.time() > end:
                raise
        time.sleep(every)


def _short(x):
    s = repr(x)
    return s if len(s) < 400 else s[:400] + "…"


def _alarm(*_):
    raise TimeoutError("not done after %d s" % LIMIT_S)


def run(fn, *args):
    """Runs one scenario and returns its report line."""
    name, start = fn.__name__, time.time()
    word, why = "ok", ""
    signal.alarm(LIMIT_S)
    try:
        fn(*args)
    except Skip as e:
        word, why = "skip", str(e)
    except BaseException as e:  # the next scenario runs whatever happened in this one
        traceback.print_exc()
        where = [f for f in traceback.extract_tb(e.__traceback__) if os.path.dirname(f.filename) == os.path.dirname(os.path.abspath(__file__))]
        at = " (%s:%d)" % (os.path.basename(where[-1].filename), where[-1].lineno) if where else ""
        word, why = "FAIL", "%s: %s%s" % (type(e).__name__, " ".join(str(e).split())[:600], at)
    finally:
        signal.alarm(0)
    return ("%s %s %.1f %s" % (word, name, time.time() - start, why)).rstrip()


def main(*args):
    """Runs the scenarios of this program with args, and ends it."""
    only = re.compile(sys.argv[2] if len(sys.argv) > 2 else "")
    signal.signal(signal.SIGALRM, _alarm)
    for fn in _scenarios:
        if only.search(fn.__name__):
            print(run(fn, *args), flush=True)
    sys.stdout.flush()
    os._exit(0)  # some clients leave threads behind that wait for their broker
