"""Encoding and decoding: round trips, and garbage."""

import random
import socket
import unittest

import base  # noqa: F401  the search path
from prefork_interp import _wire
from prefork_interp._handover import Handover


class Requests(unittest.TestCase):
    def test_requests(self):
        for data, environment, arguments in (
            (b"\0", {}, []),
            (b"\0\0", {}, [b""]),
            (b"A=1\0\0", {b"A": b"1"}, []),
            (b"A=1\0B==\0\0x\0\0", {b"A": b"1", b"B": b"="}, [b"x", b""]),
            (b"A=1\0A=2\0\0", {b"A": b"1"}, []),
            (b"A=\xff\0\0\xfe\0", {b"A": b"\xff"}, [b"\xfe"]),
        ):
            with self.subTest(data):
                self.assertEqual(_wire.parse_request(data), (environment, arguments))

    def test_garbage_is_refused_and_nothing_else_happens(self):
        source = random.Random(1)
        for _ in range(5000):
            data = bytes(source.choices(b"A=\0\0\xff", k=source.randrange(12)))
            try:
                environment, arguments = _wire.parse_request(data)
            except _wire.Garbled:
                continue
            self.assertNotIn(b"\0", b"".join([*environment, *environment.values(), *arguments]))

    def test_messages(self):
        one, other = socket.socketpair()
        with one, other:
            for kind, payload in ((b"fork", b"1234"), (b"done", b""), (b"file", b"x" * 100_000)):
                _wire.send(one, kind, payload)
                self.assertEqual(_wire.receive_message(other), (kind, payload, []))
            _wire.send_text(one, b"note", "two\nlines  and\ttabs")
            self.assertEqual(_wire.receive_message(other), (b"note", b"two lines and tabs", []))
            one.send(b"long\x7f\0\0\0")
            with self.assertRaises(_wire.Garbled):
                _wire.receive_message(other)
            one.send(b"for")
            one.close()
            with self.assertRaises(EOFError):
                _wire.receive_message(other)

    def test_strings(self):
        self.assertEqual(_wire.strings(["a", "\udcff", ""]), b"a\0\xff\0\0")


class Handovers(unittest.TestCase):
    def test_what_is_known_is_read_and_the_rest_ignored(self):
        handover = Handover("v1,12.000000034,new 3,4,5,6,7 other n1,automatic,x preload=a,b.c y=z")
        self.assertEqual(handover.start, 12_000_000_034)
        self.assertEqual(handover.descriptors(), [3, 4, 5, 6])
        self.assertEqual((handover.native, handover.automatic), (True, True))
        self.assertEqual(handover._preload, ["a", "b.c"])
        plain = Handover("v1,12.000000034 3,4,5,6")
        self.assertEqual((plain.native, plain.automatic), (False, False))

    def test_what_makes_no_sense_is_refused(self):
        for value in ("", "v1", "v1,1.000000000", "v1,1.000000000 3,4,5", "v1,1.000000000 a,4,5,6", "n1 3,4,5,6"):
            with self.subTest(value), self.assertRaises(ValueError):
                Handover(value)


if __name__ == "__main__":
    unittest.main()
