"""A launcher for the tests: the other side of the native dialect, in its smallest form.

    with Launcher(folder / "a.py", "automatic") as launcher:
        answer = launcher.run(b"body", {"QUERY_STRING": "a=b"})

It makes what docs/protocol.md says a launcher makes, and keeps all messages.
"""

import array
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

SOURCES = Path(__file__).resolve().parent.parent / "src"
MAIN = SOURCES / "prefork_interp" / "__main__.py"
LIMIT = 20.0  # seconds after which a test has failed


def environment(**more):
    """What setup and requests have besides what a test gives them."""
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **more}


class Answer:
    """What came of a request: out, err, status as wait gives it, and the executor's process."""

    def __init__(self, out, err, status, pid, usage):
        self.out, self.err, self.status, self.pid, self.usage = out, err, status, pid, usage

    @property
    def code(self):
        return os.waitstatus_to_exitcode(self.status)


class Call:
    """A forked executor. Until send it is parked."""

    def __init__(self, launcher, id, socket, theirs, stdin, out, err):
        self.launcher, self.id, self.socket = launcher, id, socket
        self.theirs = theirs  # the script's end of stdin, which goes with the request
        self.stdin, self.out, self.err = stdin, out, err
        self.pid = None

    def greet(self):
        """Receive the greeting; the kernel says who sent it."""
        data, control, _flags, _address = self.socket.recvmsg(8, socket.CMSG_SPACE(12))
        assert data == b"PFI\n\0\0\0\0", data
        (self.pid, _uid, _gid) = struct.unpack("3i", control[0][2])
        return self

    def send(self, env=None, arguments=(), raw=None):
        words = [f"{n}={v}" for n, v in (environment() if env is None else env).items()]
        data = b"".join(os.fsencode(w) + b"\0" for w in [*words, "", *arguments])
        self._go_on([self.theirs], b"\0" + struct.pack(">I", len(data)) + data if raw is None else raw)
        return self

    def _go_on(self, files, data):
        rights = array.array("i", files)
        sent = self.socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        if data[sent:]:
            self.socket.sendall(data[sent:])
        for file in files:
            os.close(file)
        self.theirs = None

    def again(self, body=b"", env=None, arguments=(), null=False):
        """End the request by its status, and send another one; return the answer of the first.

        null: the new one has /dev/null as its stdin, as one without a body has.
        """
        out, err = self._pump(body)
        answer = Answer(out, err, self.status(), self.pid, None)
        if answer.status is None:
            self.stdin = self.out = self.err = None
            return answer
        stdin, self.stdin = (os.open(os.devnull, os.O_RDONLY), None) if null else os.pipe()
        self.out, out_end = os.pipe()
        self.err, err_end = os.pipe()
        words = [f"{n}={v}" for n, v in (environment() if env is None else env).items()]
        data = b"".join(os.fsencode(w) + b"\0" for w in [*words, "", *arguments])
        self._go_on([stdin, out_end, err_end], b"\0" + struct.pack(">I", len(data)) + data)
        return answer

    def status(self):
        """Receive the status of a request whose process waits for another one; None: it does not."""
        data = self.socket.recv(4)
        return struct.unpack(">I", data)[0] if data else None

    def finish(self, body=b""):
        """Feed the body, read to the end, reap."""
        pidfd = os.pidfd_open(self.pid) if self.pid else None
        out, err = self._pump(body)
        if pidfd is not None:
            assert select.select([pidfd], [], [], LIMIT)[0], "the executor does not end"
            os.close(pidfd)
        status, usage = self.launcher.reap(self.id)
        self.socket.close()
        return Answer(out, err, status, self.pid, usage)

    def _pump(self, body):
        outputs = {self.out: b"", self.err: b""}
        writing = [self.stdin] if self.stdin is not None else []
        if writing:
            os.set_blocking(self.stdin, False)
        deadline = time.monotonic() + LIMIT
        open_ends = list(outputs)
        while open_ends or writing:
            left = deadline - time.monotonic()
            assert left > 0, f"no end of output; so far {outputs}"
            readable, writable, _ = select.select(open_ends, writing, [], left)
            for end in readable:
                data = os.read(end, 65536)
                outputs[end] += data
                if not data:
                    os.close(end)
                    open_ends.remove(end)
            for end in writable:
                try:
                    body = body[os.write(end, body) :] if body else b""
                except BrokenPipeError:
                    body = b""
                if not body:
                    os.close(end)
                    writing.clear()
        return outputs[self.out], outputs[self.err]

    def drop(self):
        """Close all ends, whatever has become of the executor."""
        self.socket.close()
        for end in (self.theirs, self.stdin, self.out, self.err):
            if end is not None:
                os.close(end)


class Launcher:
    """One warm script, from its start until close."""

    def __init__(
        self, script, fork_point, arguments=(), env=None, options=(), extra="",
        command=None, python=sys.executable, cwd=None,
    ):
        self.messages = []
        self.settings = {}
        self.ids = 0
        self.ctl, call = socket.socketpair()
        self.ctl.settimeout(LIMIT)
        listen = socket.socket(socket.AF_UNIX)
        watchi = os.pipe()
        watche = os.pipe()
        stdin, stdin_end = os.pipe()
        os.close(stdin_end)
        log, log_end = os.pipe()
        ends = [listen.fileno(), call.fileno(), watchi[1], watche[0]]
        handover = "v1,%d.%09d %d,%d,%d,%d n1,%s" % (time.time(), 0, *ends, fork_point)
        env = {**(environment() if env is None else env), "PREFORK_INTERP": handover + extra}
        command = command or [python, *options, str(MAIN), str(script), *arguments]
        self.log_pipe = log
        # The same pipe, but two open files: O_APPEND tells 1 from 2.
        other = os.open(f"/proc/self/fd/{log_end}", os.O_WRONLY | os.O_APPEND)
        self.process = subprocess.Popen(
            command, stdin=stdin, stdout=other, stderr=log_end, env=env, pass_fds=ends,
            cwd=cwd, start_new_session=True,
        )
        for end in (stdin, other, log_end, watchi[1], watche[0]):
            os.close(end)
        listen.close()
        call.close()
        self.sentinel, self.leash = watchi[0], watche[1]

    # ---- messages ----

    def receive(self):
        """Receive a message: (type, payload); None at the end."""
        header = self._exactly(8)
        if header is None:
            return None
        kind, length = header[:4].decode(), struct.unpack(">I", header[4:])[0]
        message = kind, self._exactly(length)
        self.messages.append(message)
        return message

    def _exactly(self, length):
        data = b""
        while len(data) < length:
            piece = self.ctl.recv(length - len(data))
            if not piece:
                return None
            data += piece
        return data

    def until(self, *kinds):
        """Receive until a message of one of these types; return its payload."""
        while True:
            message = self.receive()
            if message is None:
                raise AssertionError(f"end of ctl; log: {self.read_log()}")
            if message[0] in kinds:
                return message[1]

    def ready(self):
        """Wait for the fork point; return the settings in PFN."""
        settings = strings(self.until("PFN\n"))
        self.settings = dict(setting.split("=", 1) for setting in settings)
        return self.settings

    def cold(self):
        """Wait for `cold` and the end with status 0; return the reason."""
        reason = self.until("cold").decode()
        assert self.process.wait(LIMIT) == 0
        return reason

    def strings_of(self, kind):
        return [s for k, payload in self.messages if k == kind for s in strings(payload)]

    # ---- calls ----

    def fork(self, stdin=None, count=None, together=True, before=b"", behind=b""):
        """Have an executor forked for so many requests; stdin is a descriptor, or None for a pipe to feed.

        together: its descriptors come with the message, if the library can take them so.
        before, behind: other messages, in the same write.
        """
        self.ids += 1
        id = struct.pack(">I", self.ids)
        mine, theirs = socket.socketpair()
        mine.settimeout(LIMIT)
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        feed = None
        if stdin is None:
            stdin, feed = os.pipe()
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        payload = id if count is None else id + struct.pack(">I", count)
        message = b"fork" + struct.pack(">I", len(payload)) + payload
        null = os.open(os.devnull, os.O_RDONLY)
        files = [theirs.fileno(), null, out_end, err_end]
        if together and self.settings.get("rights") == "4":
            self._send(before + message + behind, files)
        else:
            self.ctl.sendall(message)
            for number in files:
                self._send(b"\0", [number])
        theirs.close()
        for number in (null, out_end, err_end):
            os.close(number)
        return Call(self, id, mine, stdin, feed, out, err)

    def _send(self, data, files):
        rights = array.array("i", files)
        self.ctl.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])

    def reap(self, id):
        self.ctl.sendall(b"reap" + struct.pack(">I", 4) + id)
        done = self.until("done")
        assert done[:4] == id
        return struct.unpack(">I", done[4:8])[0], struct.unpack(">3Q", done[8:])

    def run(self, body=b"", env=None, arguments=(), stdin=None):
        """Make a whole request."""
        return self.fork(stdin).greet().send(env, arguments).finish(body)

    # ---- the end ----

    def read_log(self):
        os.set_blocking(self.log_pipe, False)
        try:
            return os.read(self.log_pipe, 65536).decode()
        except BlockingIOError:
            return ""

    def close(self):
        """Close ctl and return the status with which the server ends."""
        self.ctl.close()
        if self.sentinel is None:
            return self.process.returncode
        try:
            return self.process.wait(LIMIT)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
            for end in (self.sentinel, self.leash, self.log_pipe):
                os.close(end)
            self.sentinel = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def strings(payload):
    return [os.fsdecode(word) for word in payload.split(b"\0")[:-1]]


def plain(script, arguments=(), env=None, body=b"", options=(), python=sys.executable, cwd=None):
    """Run a script with nothing around it, for comparison."""
    done = subprocess.run(
        [python, *options, str(script), *arguments], input=body, capture_output=True,
        env=environment() if env is None else env, timeout=LIMIT, cwd=cwd,
    )
    return Answer(done.stdout, done.stderr, done.returncode, None, None)
