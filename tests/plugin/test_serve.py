#!/usr/bin/python3
# timeout: 120
"""`varve serve`: its sockets, what it refuses, and when it says that it is ready."""

import os
import pathlib
import resource
import signal
import socket
import subprocess
import unittest

import nbd

from by_hand import served, wait_for

SIZE = 16 * served.MIB
USAGE, NOT_FOUND, BUSY, EXISTS = 2, 3, 4, 8


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Serve(unittest.TestCase):
    def setUp(self):
        self.store = served.Store()
        self.store.create("one", SIZE)
        self.server = None

    def tearDown(self):
        if self.server:
            self.server.kill()
            self.server.wait()
            self.server.stdout.close()
        self.store.check()
        self.store.remove()

    def serve(self, *options, environment=None):
        """Starts it and returns the line that says it is ready."""
        log = open(self.store.log, "ab")
        self.server = subprocess.Popen(
            [served.VARVE, "serve", *options], env={**self.store.environment, **(environment or {})},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
        )
        log.close()
        line = self.server.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"the server ended with {self.server.wait()}: {self.store.log_tail()}")
        return line

    def stop(self):
        self.server.terminate()
        code = self.server.wait(10)
        self.server.stdout.close()
        self.server = None
        self.assertEqual(code, 0, self.store.log_tail())

    def refused(self, *options, environment=None):
        ended = subprocess.run(
            [served.VARVE, "serve", *options], env={**self.store.environment, **(environment or {})},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False,
        )
        self.assertNotEqual(ended.returncode, 0)
        self.assertEqual(ended.stdout, "")
        return ended.returncode, ended.stderr.strip()

    def assertServes(self, connect, *address):
        handle = nbd.NBD()
        handle.set_export_name("one")
        getattr(handle, connect)(*address)
        self.assertEqual(handle.get_size(), SIZE)
        handle.shutdown()

    def test_the_socket_is_in_the_store(self):
        line = self.serve()
        self.assertEqual(line, f"varve: serving {self.store.path} on unix:{self.store.socket}")
        self.assertServes("connect_unix", str(self.store.socket))
        self.assertEqual(self.store.socket.stat().st_mode & 0o777, 0o660)
        self.stop()
        self.assertFalse(self.store.socket.exists())
        self.assertFalse((self.store.path / "control.sock").exists())

    def test_nothing_has_to_be_waited_for_after_the_line(self):
        for _ in range(5):
            self.serve()
            self.assertServes("connect_unix", str(self.store.socket))
            self.stop()

    def test_a_socket_of_the_users_choice_also_by_a_relative_path(self):
        place = self.store.folder / "other.sock"
        self.serve("--socket", os.path.relpath(place))
        self.assertServes("connect_unix", str(place))
        self.stop()
        self.assertFalse(place.exists())

    def test_tcp_beside_the_socket(self):
        port = free_port()
        line = self.serve("--listen", f"127.0.0.1:{port}")
        self.assertTrue(line.endswith(f" and tcp 127.0.0.1:{port}"), line)
        self.assertServes("connect_tcp", "127.0.0.1", str(port))
        self.assertServes("connect_unix", str(self.store.socket))
        self.stop()

    def test_a_free_port_is_said(self):
        line = self.serve("--listen", "127.0.0.1:0")
        self.assertServes("connect_tcp", "127.0.0.1", line.rpartition(":")[2])
        self.stop()

    def test_all_addresses(self):
        for address in ("*", ""):
            port = self.serve("--listen", f"{address}:0").split(" and ")[1].rpartition(":")[2]
            self.assertServes("connect_tcp", "127.0.0.1", port)
            self.stop()

    def test_ipv6(self):
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::1", 0))
        except OSError as problem:
            self.skipTest(f"no IPv6 here: {problem}")
        line = self.serve("--listen", "[::1]:0")
        self.assertIn(" and tcp [::1]:", line)
        self.assertServes("connect_tcp", "::1", line.rpartition(":")[2])
        self.stop()

    def test_a_port_that_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            code, text = self.refused("--listen", address)
        self.assertEqual(code, BUSY)
        self.assertIn(address, text)
        self.assertFalse(self.store.socket.exists())

    def test_addresses_that_make_no_sense(self):
        for address in ("10809", "127.0.0.1", "127.0.0.1:", "127.0.0.1:-1", "127.0.0.1:65536", "127.0.0.1:nbd",
                        "::1:10809", "127.0.0.1:10809x", ""):
            code, text = self.refused("--listen", address)
            self.assertEqual(code, USAGE, text)
            self.assertIn(f"'{address}'", text)

    def test_options_that_make_no_sense(self):
        for option, value in (("--threads", "-1"), ("--threads", "1000000"), ("--clients", "0"), ("--clients", "-5"),
                              ("--log-level", "loud"), ("--cache", "much"), ("--threads", "x")):
            code, text = self.refused(option, value)
            self.assertEqual(code, USAGE, text)
            self.assertIn(value, text)

    def test_a_folder_that_is_no_store(self):
        code, text = self.refused("--store", str(self.store.folder))
        self.assertEqual(code, NOT_FOUND)
        self.assertIn("varve init", text)
        code, text = self.refused("--store", "/nonexistent")
        self.assertEqual(code, NOT_FOUND)
        self.assertIn("'/nonexistent'", text)

    def test_a_store_that_is_served(self):
        self.serve()
        for options in ((), ("--socket", str(self.store.folder / "second.sock"))):
            code, text = self.refused(*options)
            self.assertEqual(code, BUSY)
            self.assertIn(str(self.server.pid), text)
        self.assertFalse((self.store.folder / "second.sock").exists())
        self.assertServes("connect_unix", str(self.store.socket))
        self.stop()

    def test_a_socket_that_a_dead_server_left_is_replaced(self):
        self.serve()
        self.server.kill()
        self.server.wait()
        self.server.stdout.close()
        self.assertTrue(self.store.socket.is_socket())
        self.serve()
        self.assertServes("connect_unix", str(self.store.socket))
        self.stop()

    def test_a_socket_that_answers_is_not_replaced(self):
        place = str(self.store.folder / "live.sock")
        with socket.socket(socket.AF_UNIX) as live:
            live.bind(place)
            live.listen()
            code, text = self.refused("--socket", place)
            self.assertEqual(code, BUSY)
            self.assertIn(place, text)
            self.assertTrue(pathlib.Path(place).is_socket())

    def test_a_file_in_the_place_of_the_socket_is_kept(self):
        place = self.store.folder / "file"
        place.write_text("kept")
        code, text = self.refused("--socket", str(place))
        self.assertEqual(code, EXISTS)
        self.assertIn(str(place), text)
        self.assertEqual(place.read_text(), "kept")

    def test_a_socket_path_that_is_too_long(self):
        code, text = self.refused("--socket", f"/tmp/{'x' * 120}")
        self.assertEqual(code, USAGE)
        self.assertIn("107", text)

    def test_a_folder_of_the_socket_that_is_not_there(self):
        code, text = self.refused("--socket", "/nonexistent/nbd.sock")
        self.assertEqual(code, NOT_FOUND)
        self.assertIn("/nonexistent/nbd.sock", text)

    def test_without_nbdkit(self):
        _, text = self.refused(environment={"VARVE_NBDKIT": "/nonexistent/nbdkit"})
        self.assertIn("/nonexistent/nbdkit", text)
        _, text = self.refused(environment={"VARVE_PLUGIN_PATH": "/nonexistent/plugin.so"})
        self.assertIn("/nonexistent/plugin.so", text)
        self.assertFalse(self.store.socket.exists())

    def test_the_number_of_clients_is_bounded(self):
        self.serve("--clients", "3")
        handles = [self.store.connect("one") for _ in range(3)]
        with self.assertRaises(nbd.Error):
            self.store.connect("one")
        handles.pop().shutdown()
        wait_for(self._connects, "a place for another client")
        self.stop()

    def _connects(self):
        try:
            self.store.connect("one").shutdown()
        except nbd.Error:
            return False
        return True

    def test_pid_file_and_process(self):
        number = self.store.folder / "pid"
        self.serve("--pid-file", str(number))
        self.assertEqual(int(number.read_text()), self.server.pid)
        with open(f"/proc/{self.server.pid}/comm", encoding="utf-8") as comm:
            self.assertEqual(comm.read().strip(), "nbdkit")
        self.stop()

    def test_the_limit_of_descriptors_is_the_hard_one(self):
        self.serve()
        soft, hard = resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE)
        self.assertEqual(soft, hard)
        self.stop()

    def test_ctrl_c(self):
        self.serve()
        self.store.connect("one").pwrite(b"x", 0)
        self.server.send_signal(signal.SIGINT)
        self.assertEqual(self.server.wait(10), 0)

    def test_options_reach_the_server(self):
        self.serve("--cache", "32M", "--buffered", "--threads", "4", "--log-level", "debug")
        self.store.connect("one").pwrite(b"x", 0)
        self.assertIn("cache=33554432", pathlib.Path(f"/proc/{self.server.pid}/cmdline").read_text(encoding="utf-8"))
        self.stop()
        self.assertIn("debug", self.store.log_tail())

    def test_the_memory_of_an_idle_server(self):
        self.serve()
        self.store.connect("one").pread(4096, 0)
        with open(f"/proc/{self.server.pid}/status", encoding="utf-8") as status:
            kib = int(next(line for line in status if line.startswith("VmRSS:")).split()[1])
        print(f"{kib} KiB resident")
        self.assertLess(kib, 64 << 10)
        self.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
