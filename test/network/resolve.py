"""Asks by mDNS for a host name, as a resolver that knows only DNS packets does, and for the NVR's service through python-zeroconf.

Usage: resolve.py ADDRESS NAME
"""
import socket
import struct
import sys
import time

from zeroconf import IPVersion, ServiceBrowser, Zeroconf

own, name = sys.argv[1:3]

# RFC 6762, 6.7: from a port other than 5353, answered to the asker alone with his id and question.
question = struct.pack("!6H", 0x1234, 0, 1, 0, 0, 0) + b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0" + struct.pack("!2H", 1, 1)
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asker.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
asker.settimeout(2)
asker.sendto(question, ("224.0.0.251", 5353))
try:
    answer, sender = asker.recvfrom(9000)
    if answer[:2] == question[:2] and answer[12:len(question)] == question[12:]:
        print("answer of", sender[0])
except TimeoutError:
    print("no answer")

found = []


class Listener:
    def add_service(self, zc, kind, instance):
        info = zc.get_service_info(kind, instance, 3000)
        if info:
            found.append("%s at %s:%d" % (info.server, ",".join(info.parsed_addresses(IPVersion.V4Only)), info.port))

    update_service = add_service

    def remove_service(self, *_):
        pass


looker = Zeroconf(interfaces=[own], ip_version=IPVersion.V4Only)
ServiceBrowser(looker, "_cardea._tcp.local.", Listener())
deadline = time.monotonic() + 3
while not found and time.monotonic() < deadline:
    time.sleep(0.05)
print("\n".join(found))
looker.close()
