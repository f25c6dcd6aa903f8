"""A device that answers WS-Discovery over IPv4 and IPv6, as ONVIF cameras do (Core specification, 7.3).

Usage: wsd_device.py INTERFACE UUID TYPES NAME MODEL XADDR...

TYPES is the text of d:Types; the prefixes dn, tds, wsdp and wprt are declared. It answers every probe whatever the probe asks for, says
hello at the start and bye at the end.
"""
import re
import select
import signal
import socket
import struct
import sys
import urllib.parse

interface, uuid, types, name, model = sys.argv[1:6]
xaddrs = " ".join(sys.argv[6:])
index = socket.if_nametoindex(interface)
GROUP4, GROUP6, PORT = "239.255.255.250", "ff02::c", 3702
WSD = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
TEMPLATE = """<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope" xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:d="%s" xmlns:dn="http://www.onvif.org/ver10/network/wsdl" xmlns:tds="http://www.onvif.org/ver10/device/wsdl"
 xmlns:wsdp="http://schemas.xmlsoap.org/ws/2006/02/devprof" xmlns:wprt="http://schemas.microsoft.com/windows/2006/08/wdp/print">
<SOAP-ENV:Header><wsa:MessageID>urn:uuid:00000000-0000-4000-8000-%%012x</wsa:MessageID>%%s<wsa:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</wsa:To>
<wsa:Action>%s/%%s</wsa:Action></SOAP-ENV:Header><SOAP-ENV:Body>%%s</SOAP-ENV:Body></SOAP-ENV:Envelope>""" % (WSD, WSD)
scopes = "onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/%s onvif://www.onvif.org/hardware/%s onvif://www.onvif.org/location/" % (
    urllib.parse.quote(name), urllib.parse.quote(model))
DEVICE = ("<wsa:EndpointReference><wsa:Address>urn:uuid:%s</wsa:Address></wsa:EndpointReference><d:Types>%s</d:Types><d:Scopes>%s</d:Scopes>"
          "<d:XAddrs>%s</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion>") % (uuid, types, scopes, xaddrs)

v4 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
v4.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
v4.bind(("", PORT))
v4.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("4s4si", socket.inet_aton(GROUP4), bytes(4), index))
v4.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("4s4si", bytes(4), bytes(4), index))
v6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
v6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
v6.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
v6.bind(("::", PORT))
v6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, GROUP6) + struct.pack("@I", index))
v6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
serial = 0


def message(action, body, relates=""):
    global serial
    serial += 1
    header = "<wsa:RelatesTo>%s</wsa:RelatesTo>" % relates if relates else ""
    return (TEMPLATE % (serial, header, action, body)).encode()


def multicast(action):
    packet = message(action, "<d:%s>%s</d:%s>" % (action, DEVICE, action))
    v4.sendto(packet, (GROUP4, PORT))
    v6.sendto(packet, (GROUP6, PORT, 0, index))


def leave(*_):
    multicast("Bye")
    sys.exit(0)


signal.signal(signal.SIGTERM, leave)
multicast("Hello")
print("ready", flush=True)
while True:
    for sock in select.select([v4, v6], [], [])[0]:
        packet, sender = sock.recvfrom(65536)
        found = re.search(rb"MessageID[^>]*>\s*([^<\s]+)", packet)
        if b"/Probe<" in packet and found:
            body = "<d:ProbeMatches><d:ProbeMatch>%s</d:ProbeMatch></d:ProbeMatches>" % DEVICE
            sock.sendto(message("ProbeMatches", body, found.group(1).decode()), sender)
