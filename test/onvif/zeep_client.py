"""python3-zeep as a foreign client of an ONVIF device, with ONVIF's own interface definitions: zeep reads the answers by them, and
refuses what they do not allow.

Usage: zeep_client.py DEFINITIONS DEVICE_SERVICE USER PASSWORD MEDIA2(yes|no) DIGEST(yes|no) CERTIFICATE(a file in DER)

Prints the address of the stream of each profile, media 2 before media, then what the camera does, notices and shows.
"""
import base64
import datetime
import os
import sys

import requests.auth
import zeep
import zeep.helpers
from lxml import etree
from zeep.wsse.username import UsernameToken

from definitions import Local

root, address, user, password, media2, digest = sys.argv[1:7]

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
one_token = one.GetProfiles()[0].token
print("snapshot", one.GetSnapshotUri(one_token).Uri)
if media2 == "yes":
    assert two.GetSnapshotUri(one_token)
    encoder = two.GetVideoEncoderConfigurations(ProfileToken=one_token)[0]
    options = two.GetVideoEncoderConfigurationOptions(ConfigurationToken=encoder.token)
    assert {o.Encoding for o in options} == {"H264", "H265"} and options[0].ResolutionsAvailable[0].Width > 0, options
    two.SetVideoEncoderConfiguration(encoder)

ptz = service("ver20/ptz/wsdl/ptz.wsdl", "{http://www.onvif.org/ver20/ptz/wsdl}PTZBinding", base + "/ptz", wsse)
print("presets", [p.Name for p in ptz.GetPresets(one_token)])
ptz.ContinuousMove(one_token, {"PanTilt": {"x": 0.25, "y": -0.5}, "Zoom": {"x": 0}}, datetime.timedelta(seconds=1))
ptz.Stop(one_token, True, True)
ptz.GotoPreset(one_token, "1")
ptz.GotoHomePosition(one_token)

imaging = service("ver20/imaging/wsdl/imaging.wsdl", "{http://www.onvif.org/ver20/imaging/wsdl}ImagingBinding", base + "/imaging", wsse)
settings = imaging.GetImagingSettings("lens_1")
assert imaging.GetOptions("lens_1").Brightness.Max == 80
imaging.SetImagingSettings("lens_1", {"Brightness": 40, "IrCutFilter": "ON"}, True)
print("lens", imaging.GetImagingSettings("lens_1").Brightness, imaging.GetImagingSettings("lens_1").IrCutFilter)

tev = "{http://www.onvif.org/ver10/events/wsdl}"
# The camera without media 2 wants a time by its own clock.
until = "PT60S" if media2 == "yes" else (clock + datetime.timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
subscription = service("ver10/events/wsdl/event.wsdl", tev + "EventBinding", base + "/events", wsse).CreatePullPointSubscription(InitialTerminationTime=until)
assert subscription.SubscriptionReference.Address and subscription.TerminationTime > subscription.CurrentTime, subscription
where = subscription.SubscriptionReference.Address
if "192.0.2.1" in where:  # as a client has to that does not believe stale addresses
    where = base.rsplit("/onvif", 1)[0] + where.split(":80", 1)[1]
reference = subscription.SubscriptionReference.ReferenceParameters
headers = list(reference._value_1) if reference is not None else None
pull = service("ver10/events/wsdl/event.wsdl", tev + "PullPointSubscriptionBinding", where, wsse).PullMessages(Timeout=datetime.timedelta(seconds=1), MessageLimit=10, _soapheaders=headers)
for m in pull.NotificationMessage:
    print("noticed", m.Topic._value_1, etree.tostring(m.Message._value_1).decode().count("SimpleItem"))

tas = "{http://www.onvif.org/ver10/advancedsecurity/wsdl}"
at = "ver10/advancedsecurity/wsdl/advancedsecurity.wsdl"
if any("advancedsecurity" in s for s in (services if media2 == "yes" else [])):
    security, keystore, server = (service(at, tas + name, base + "/advancedsecurity", wsse) for name in ("AdvancedSecurityServiceBinding", "KeystoreBinding", "TLSServerBinding"))
    assert security.GetServiceCapabilities().TLSServerCapabilities.TLSClientAuthSupported
    key = keystore.CreateECCKeyPair("secp256r1", "zeep").KeyID
    while keystore.GetKeyStatus(key) == "generating":
        pass
    csr = keystore.CreatePKCS10CSR({"CommonName": "zeep"}, key, [], {"algorithm": "1.2.840.10045.4.3.2"})
    with open(sys.argv[7], "rb") as file:
        root = file.read()
    uploaded = keystore.UploadCertificate(root, "zeep")
    policy = keystore.CreateCertPathValidationPolicy("zeep", {"RequireTLSWWWClientAuthExtendedKeyUsage": True}, [{"CertificateID": uploaded.CertificateID}])
    path = keystore.CreateCertificationPath({"CertificateID": [uploaded.CertificateID]}, "zeep")
    assert server.GetAssignedServerCertificates() == ["PathID_factory"] and server.GetClientAuthenticationRequired() is False
    server.AddCertPathValidationPolicyAssignment(policy)
    server.SetClientAuthenticationRequired(True)
    assert server.GetClientAuthenticationRequired() is True
    server.SetClientAuthenticationRequired(False)
    server.RemoveCertPathValidationPolicyAssignment(policy)
    keystore.DeleteCertPathValidationPolicy(policy)
    keystore.DeleteCertificationPath(path)
    keystore.DeleteCertificate(uploaded.CertificateID)
    keystore.DeleteKey(key)
    print("csr", base64.b64encode(csr).decode())
