#!/usr/bin/env python3
"""probe.py HOST PORT PID SECONDS: wait until the broker answers Metadata v1 with at least one broker in it.

An accepted connection is not enough: Apache Kafka opens its port long before its metadata is loaded.
Ends with status 1 when PID ends or SECONDS are over."""
import os
import socket
import struct
import sys
import time


def receive(conn, n):
    data = b""
    while len(data) < n:
        more = conn.recv(n - len(data))
        if not more:
            raise OSError("the connection was closed")
        data += more
    return data


def brokers(host, port):
    client_id = b"probe"
    header = struct.pack(">hhih", 3, 1, 1, len(client_id)) + client_id
    request = header + struct.pack(">i", 0)  # no topics
    with socket.create_connection((host, port), 1) as conn:
        conn.settimeout(5)
        conn.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", receive(conn, 4))
        return struct.unpack(">ii", receive(conn, size)[:8])[1]


def main():
    host, port, pid, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    end, why = time.time() + seconds, "?"
    while time.time() < end:
        try:
            if brokers(host, port) > 0:
                return 0
            why = "no brokers in Metadata"
        except OSError as err:
            why = err
        if not os.path.exists("/proc/%d" % pid):
            why = "the process ended"
            break
        time.sleep(0.02)
    print("probe: no answer from %s:%d (%s)" % (host, port, why), file=sys.stderr)
    return 1


sys.exit(main())
