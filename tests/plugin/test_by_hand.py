#!/usr/bin/python3
# timeout: 120
"""nbdkit with the plugin as a user types it: parameters, what is refused, in the background, on
standard input, and what the service manager is told."""

import os
import signal
import socket
import subprocess
import unittest

import nbd

from by_hand import PLUGIN, Nbdkit, refuse_nbdkit, served, wait_for

SIZE = 16 * served.MIB


class ByHand(unittest.TestCase):
    def setUp(self):
        self.store = served.Store()
        self.store.create("one", SIZE)
        self.path = self.store.path

    def tearDown(self):
        self.store.check()
        self.store.remove()

    def use(self, server):
        handle = server.connect("one")
        handle.pwrite(b"x", 0)
        handle.shutdown()
        code, _ = server.stop()
        self.assertEqual(code, 0, server.text())

    def test_parameters(self):
        self.use(Nbdkit(self.store, "cache=32M", "direct=true", "control=no"))
        self.use(Nbdkit(self.store, "direct=false", f"control={self.store.folder}/door"))
        self.assertFalse((self.store.folder / "door").exists())

    def test_the_control_door_is_in_the_store_unless_told_otherwise(self):
        for parameter, expected in (
            ("cache=64M", self.path / "control.sock"), (f"control={self.path}/other", self.path / "other"),
            ("control=no", None),
        ):
            server = Nbdkit(self.store, parameter)
            sockets = {path for path in self.path.rglob("*") if path.is_socket()}
            self.assertEqual(sockets, {expected} - {None})
            self.use(server)

    def test_bad_parameters_are_named(self):
        for parameters, said in (
            ([], "store=DIR"),
            (["store="], "store="),
            ([f"store={self.path}", "colour=red"], "'colour'"),
            ([f"store={self.path}", "cache=much"], "much"),
            ([f"store={self.path}", "direct=perhaps"], "perhaps"),
            (["store=/nonexistent/store"], "/nonexistent/store"),
            (["store=/etc/passwd"], "/etc/passwd"),
            (["store=/proc"], "/proc"),
        ):
            with self.subTest(parameters=parameters):
                self.assertIn(said, refuse_nbdkit(PLUGIN, *parameters))

    def test_a_store_that_is_served_is_refused_and_the_holder_is_named(self):
        server = Nbdkit(self.store)
        self.assertIn(str(server.process.pid), refuse_nbdkit(PLUGIN, f"store={self.path}", "control=no"))
        self.use(server)

    def test_a_refusal_leaves_the_other_server_alone(self):
        server = Nbdkit(self.store)
        refuse_nbdkit(PLUGIN, f"store={self.path}")
        self.assertTrue((self.path / "control.sock").is_socket())
        self.use(server)

    def test_the_socket_parameter_removes_it_at_the_end(self):
        server = Nbdkit(self.store, f"socket={self.store.folder}/by-hand.sock")
        self.assertTrue(server.socket.is_socket())
        self.use(server)
        self.assertFalse(server.socket.exists())

    def test_the_socket_parameter_removes_nothing_but_a_socket(self):
        file = self.store.folder / "file"
        file.write_text("kept")
        self.use(Nbdkit(self.store, f"socket={file}"))
        self.assertEqual(file.read_text(), "kept")

    def test_in_the_background(self):
        """nbdkit forks after the store was opened, and goes to another folder."""
        unix, number = self.store.folder / "background.sock", self.store.folder / "pid"
        subprocess.run(
            ["nbdkit", "-U", unix, "-P", number, PLUGIN, "store=store"], cwd=self.store.folder, check=True,
            stdin=subprocess.DEVNULL, timeout=30,
        )
        wait_for(number.exists, "the number of the process")
        pid = int(number.read_text())
        try:
            handle = nbd.NBD()
            handle.set_export_name("one")
            handle.connect_unix(str(unix))
            for place in range(0, SIZE, 65536):
                handle.pwrite(b"y" * 65536, place)
            handle.flush()
            self.assertEqual(handle.pread(3, SIZE - 3), b"yyy")
            self.assertIn(str(pid), refuse_nbdkit(PLUGIN, f"store={self.path}", "control=no"))
        finally:
            os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "its end", 10)
        self.use(Nbdkit(self.store))

    def test_on_standard_input(self):
        handle = nbd.NBD()
        handle.set_export_name("one")
        handle.connect_command(["nbdkit", "-s", str(PLUGIN), f"store={self.path}", "announce=true", "control=no"])
        handle.pwrite(b"z" * 1000, 5)
        self.assertEqual(handle.pread(1000, 5), b"z" * 1000)
        handle.shutdown()
        del handle
        self.use(Nbdkit(self.store))

    def test_the_service_manager_is_told(self):
        for address in (str(self.store.folder / "notify"), "\0varve-test-%d" % os.getpid()):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.bind(address)
                manager.settimeout(10)
                os.environ["NOTIFY_SOCKET"] = address.replace("\0", "@")
                try:
                    server = Nbdkit(self.store)
                finally:
                    del os.environ["NOTIFY_SOCKET"]
                told = manager.recv(1000).decode().splitlines()
                self.assertEqual(told, ["READY=1", f"MAINPID={server.process.pid}"])
                # it is ready when it says so
                server.connect("one").shutdown()
                server.stop()
                self.assertEqual(manager.recv(1000), b"STOPPING=1")

    def test_thread_model_fits_the_nbdkit_that_runs(self):
        shown = subprocess.run(["nbdkit", PLUGIN, "--dump-plugin"], capture_output=True, text=True, check=True)
        version = subprocess.run(["nbdkit", "--version"], capture_output=True, text=True, check=True)
        minor = int(version.stdout.split()[1].split(".")[1])
        model = "parallel" if minor >= 34 else "serialize_requests"
        self.assertIn(f"\nthread_model={model}\n", shown.stdout)
        self.assertIn("\nmax_thread_model=parallel\n", shown.stdout)

    def test_help_lists_the_parameters(self):
        shown = subprocess.run(["nbdkit", PLUGIN, "--help"], capture_output=True, text=True, check=True)
        for key in ("store=", "cache=", "direct=", "control=", "socket=", "announce="):
            self.assertIn(key, shown.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
