"""Socket options and control messages that would lead a packet past the address that was judged."""

import json
import socket

import support

# Sends by way of ::1 what is addressed to 2001:db8::9: a segment routing header (type 4).
PROGRAM = """
import socket, struct, sys
RTHDR, SEGMENTS = 57, struct.pack("BBBBBBH", 17, 4, 4, 1, 1, 0, 0) + bytes(16) + bytes(15) + b"\\x01"
PORT = int(sys.argv[1])

def say(name, call, *arguments):
    try:
        print(name, call(*arguments))
    except OSError as error:
        print(name, error.strerror)

udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
here, far = ("::1", PORT), ("2001:db8::9", PORT)
say("option", udp.setsockopt, socket.IPPROTO_IPV6, RTHDR, SEGMENTS)
say("message", udp.sendmsg, [b"x"], [(socket.IPPROTO_IPV6, RTHDR, SEGMENTS)], 0, far)
say("behind another", udp.sendmsg, [b"x"], [(socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT, struct.pack("i", 3)),
                                            (socket.IPPROTO_IPV6, RTHDR, SEGMENTS)], 0, far)
say("hop limit", udp.sendmsg, [b"hops"], [(socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT, struct.pack("i", 3))],
    0, here)
say("only IPv6", udp.setsockopt, socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 5)
udp.connect(here)
say("connected", udp.sendmsg, [b"x"], [(socket.IPPROTO_IPV6, RTHDR, SEGMENTS)])
say("source", udp.sendmsg, [b"from"],
    [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, socket.inet_pton(socket.AF_INET6, "::1") + bytes(4))])
"""

# A descriptor passed through a unix socket: its control message is the caller's own business.
PASSING = """
import os, socket
ours, theirs = socket.socketpair()
reader, writer = os.pipe()
socket.send_fds(ours, [b"x"], [writer])
_, passed, _, _ = socket.recv_fds(theirs, 1, 1)
os.write(passed[0], b"passed")
print(os.read(reader, 10))
"""


class Diversion(support.WorldTest):
    POLICY = ("path allow all /**\nnetwork allow udp connect,send [::1]:* [2001:db8::9]:*\n"
              "network allow udp bind [::]:*\n")

    def setUp(self):
        super().setUp()
        try:
            self.listener = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            self.listener.bind(("::1", 0))
        except OSError as error:
            self.skipTest(f"a host without IPv6: {error.strerror}")
        self.listener.settimeout(60)
        self.addCleanup(self.listener.close)

    def program(self):
        return ["python3", "-c", PROGRAM, str(self.listener.getsockname()[1])]

    def test_a_routing_header_is_refused_and_other_control_messages_are_not(self):
        gated = self.run_gated(self.POLICY, self.program())
        self.assertEqual(gated.text.splitlines(),
                         ["option Operation not permitted", "message Operation not permitted",
                          "behind another Operation not permitted", "hop limit 4", "only IPv6 None",
                          "connected Operation not permitted", "source 4"], f"\n{gated}")
        self.assertSays(gated, "past the address that is judged")
        self.assertEqual(self.listener.recv(100), b"hops")
        self.assertEqual(self.listener.recv(100), b"from")

    def test_a_policy_that_grants_the_network_leaves_them_alone(self):
        bare = self.run_bare(self.program())
        for options in ([], ["--log", self.root / "run.jsonl"]):
            with self.subTest(options=options):
                gated = self.run_gated(support.ALLOW_ALL, self.program(), *options)
                self.assertEqual((gated.status, gated.out), (0, bare.out), f"\n{gated}")

    def test_an_audit_lets_them_through_and_says_what_would_be_denied(self):
        bare = self.run_bare(self.program())
        for options in ([], ["--policy", self.policy(self.POLICY)]):
            with self.subTest(options=options):
                log = self.root / "audit.jsonl"
                audited = support.run([support.CALLGATE, "audit", *options, "--json", log, "--",
                                       *self.program()], cwd=self.work)
                self.assertEqual((audited.status, audited.out), (0, bare.out), f"\n{audited}")
                records = [json.loads(line) for line in log.read_text().splitlines()]
                denied = [record["call"] for record in records
                          if "past the address" in record.get("reason", "") and record["would_deny"]
                          and record["verdict"] == "allow"]
                self.assertEqual(denied, ["setsockopt", *["sendmsg"] * 3] if options else [],
                                 f"\n{audited}")

    def test_a_descriptor_is_passed_as_bare(self):
        gated = self.run_gated(self.POLICY, ["python3", "-c", PASSING])
        self.assertEqual((gated.status, gated.text), (0, "b'passed'\n"), f"\n{gated}")


if __name__ == "__main__":
    support.main()
