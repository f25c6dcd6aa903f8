"""python3-zeep as a foreign client of an ONVIF device, with ONVIF's own interface definitions: zeep reads the answers by them, and
refuses what they do not allow.

Usage: zeep_client.py DEFINITIONS DEVICE_SERVICE USER PASSWORD MEDIA2(yes|no) DIGEST(yes|no)

Prints the address of the stream of each profile, media 2 before media.
"""
import datetime
import os
import sys

import requests.auth
import zeep
import zeep.helpers
from zeep.wsse.username import UsernameToken

root, address, user, password, media2, digest = sys.argv[1:7]

# What the definitions import from elsewhere and no answer here uses. There is no internet in a test.
ELSEWHERE = {
    "xmlmime": """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="http://www.w3.org/2005/05/xmlmime" targetNamespace="http://www.w3.org/2005/05/xmlmime">
<xs:attribute name="contentType" type="xs:string"/><xs:complexType name="base64Binary"><xs:simpleContent><xs:extension base="xs:base64Binary"/></xs:simpleContent></xs:complexType></xs:schema>""",
    "xop/include": """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="http://www.w3.org/2004/08/xop/include" targetNamespace="http://www.w3.org/2004/08/xop/include">
<xs:element name="Include" type="Include"/><xs:complexType name="Include"><xs:attribute name="href" type="xs:anyURI"/></xs:complexType></xs:schema>""",
    "soap-envelope": """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="http://www.w3.org/2003/05/soap-envelope" targetNamespace="http://www.w3.org/2003/05/soap-envelope">
<xs:complexType name="Envelope"/><xs:complexType name="Fault"/></xs:schema>""",
    "wsn/b-2.xsd": """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="http://docs.oasis-open.org/wsn/b-2" targetNamespace="http://docs.oasis-open.org/wsn/b-2">
<xs:complexType name="FilterType"><xs:sequence><xs:any minOccurs="0" maxOccurs="unbounded" processContents="lax"/></xs:sequence></xs:complexType>
<xs:complexType name="NotificationMessageHolderType"/></xs:schema>""",
}


class Local(zeep.Transport):
    """Loads definitions from the folder, and posts to the device only."""

    def load(self, url):
        for name, text in ELSEWHERE.items():
            if url.endswith(name):
                return text.encode()
        if "://" in url:
            raise RuntimeError("a definition is fetched from " + url)
        with open(url, "rb") as file:
            return file.read()


transport = Local(timeout=20, operation_timeout=20)
if digest == "yes":
    transport.session.auth = requests.auth.HTTPDigestAuth(user, password)


def service(path, binding, at, wsse):
    client = zeep.Client(os.path.join(root, path), transport=transport, wsse=wsse, settings=zeep.Settings(strict=True, xml_huge_tree=False))
    return client.create_service(binding, at)


def device(wsse):
    return service("ver10/device/wsdl/devicemgmt.wsdl", "{http://www.onvif.org/ver10/device/wsdl}DeviceBinding", address, wsse)


utc = device(None).GetSystemDateAndTime().UTCDateTime
clock = datetime.datetime(utc.Date.Year, utc.Date.Month, utc.Date.Day, utc.Time.Hour, utc.Time.Minute, utc.Time.Second)
wsse = None if digest == "yes" else UsernameToken(user, password, use_digest=True, created=clock)

info = device(wsse).GetDeviceInformation()
assert info.Manufacturer and info.Model and info.SerialNumber, info
capabilities = device(wsse).GetCapabilities("All")
assert capabilities.Media.XAddr, capabilities
try:
    services = [s.Namespace for s in device(wsse).GetServices(False)]
    assert "http://www.onvif.org/ver20/media/wsdl" in services, services
except zeep.exceptions.Fault:
    assert media2 == "no"
base = address.rsplit("/", 1)[0]
try:
    service("ver10/device/wsdl/devicemgmt.wsdl", "{http://www.onvif.org/ver10/device/wsdl}DeviceBinding", address, None).GetNTP()
    raise SystemExit("an operation that does not exist was answered")
except (zeep.exceptions.Fault, zeep.exceptions.TransportError):
    pass
if media2 == "yes":
    two = service("ver20/media/wsdl/media.wsdl", "{http://www.onvif.org/ver20/media/wsdl}Media2Binding", base + "/media2", wsse)
    for profile in two.GetProfiles(Type=["All"]):
        encoder = profile.Configurations.VideoEncoder
        assert encoder.Encoding and encoder.Resolution.Width > 0 and profile.Configurations.VideoSource.SourceToken, profile
        print("media2", profile.token, two.GetStreamUri("RTSP", profile.token))
one = service("ver10/media/wsdl/media.wsdl", "{http://www.onvif.org/ver10/media/wsdl}MediaBinding", base + "/media", wsse)
assert one.GetVideoSources()[0].Resolution.Width > 0
for profile in one.GetProfiles():
    assert profile.VideoEncoderConfiguration.Resolution.Width > 0, profile
    setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
    print("media", profile.token, one.GetStreamUri(setup, profile.token).Uri)
