"""Holds what our own client asked of a camera against ONVIF's interface definitions.

Usage: asked.py DEFINITIONS FILE

FILE has one JSON string on each line: the envelope of a request. Each is read by zeep by the element that ONVIF defines for it, strictly, and
written again: what is not defined, or missing, is an error.
"""
import json
import os
import sys

import zeep
from lxml import etree

from definitions import Local

root, path = sys.argv[1:3]
SERVICES = {
    "http://www.onvif.org/ver10/device/wsdl": "ver10/device/wsdl/devicemgmt.wsdl",
    "http://www.onvif.org/ver10/media/wsdl": "ver10/media/wsdl/media.wsdl",
    "http://www.onvif.org/ver20/media/wsdl": "ver20/media/wsdl/media.wsdl",
    "http://www.onvif.org/ver10/events/wsdl": "ver10/events/wsdl/event.wsdl",
    "http://www.onvif.org/ver20/ptz/wsdl": "ver20/ptz/wsdl/ptz.wsdl",
    "http://www.onvif.org/ver20/imaging/wsdl": "ver20/imaging/wsdl/imaging.wsdl",
    "http://www.onvif.org/ver10/advancedsecurity/wsdl": "ver10/advancedsecurity/wsdl/advancedsecurity.wsdl",
}
clients, seen = {}, set()
for line in open(path):
    envelope = etree.fromstring(json.loads(line).encode())
    body = envelope[-1][0]
    name = etree.QName(body)
    if name.namespace not in SERVICES:
        continue  # Renew and Unsubscribe are OASIS'
    if name.namespace not in clients:
        clients[name.namespace] = zeep.Client(os.path.join(root, SERVICES[name.namespace]), transport=Local(), settings=zeep.Settings(strict=True))
    types = clients[name.namespace].wsdl.types
    element = types.get_element(body.tag)
    value = element.parse(body, types)
    again = etree.Element("again")
    if value is None:
        etree.SubElement(again, body.tag)
    else:
        element.render(again, value)
    want = [(e.tag, (e.text or "").strip()) for e in body.iter()]
    got = [(e.tag, (e.text or "").strip()) for e in again[0].iter()]
    missing = [tag for tag, _ in want if tag not in [t for t, _ in got]]
    assert not missing, (name.localname, missing, etree.tostring(again))
    if name.localname not in seen:
        seen.add(name.localname)
        print(name.localname)
