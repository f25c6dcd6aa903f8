"""A camera made of GStreamer's RTSP server: serves one pipeline at /cam on a free port of 127.0.0.1.

The only argument is a JSON object:
  launch    the pipeline; its payloaders are called pay0, pay1
  tls       PEM file with certificate and key, or absent for plain RTSP
  user, password   asked for by Digest, or absent
  shared    true: all clients see the same run of the pipeline
  ledger    file that gets one line for each picture that leaves the source, or absent: SHA-256 of its slices
  codec     h264 or h265, to find the slices
  heard     file that gets the sound which clients send over an ONVIF back channel in µ-law, or absent for no back channel

It prints "ready PORT", and ends when its stdin is closed.
"""

import hashlib
import json
import re
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402


def slices(data, codec):
    """The NAL units of a byte stream that carry the picture itself."""
    for nal in re.split(b"\x00\x00\x01", data):
        # Zeros before the next start code are not part of the unit; one in it never ends in zero.
        nal = nal.rstrip(b"\x00")
        if not nal:
            continue
        kind = nal[0] & 31 if codec == "h264" else nal[0] >> 1 & 63
        if 1 <= kind <= 5 if codec == "h264" else kind < 32:
            yield nal


def keep_ledger(media, config, ledger):
    pay = media.get_element().get_by_name("pay0")

    def count(_pad, info):
        buffer = info.get_buffer()
        ok, view = buffer.map(Gst.MapFlags.READ)
        if ok:
            digest = hashlib.sha256()
            found = False
            for nal in slices(bytes(view.data), config["codec"]):
                digest.update(nal)
                found = True
            buffer.unmap(view)
            if found:
                ledger.write(digest.hexdigest() + "\n")
                ledger.flush()
        return Gst.PadProbeReturn.OK

    pay.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, count)


def main():
    config = json.loads(sys.argv[1])
    Gst.init(None)
    loop = GLib.MainLoop()
    kind = GstRtspServer.RTSPOnvifServer if "heard" in config else GstRtspServer.RTSPServer
    server = kind(address="127.0.0.1", service="0")

    if "tls" in config or "user" in config:
        auth = GstRtspServer.RTSPAuth()
        if "tls" in config:
            auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(config["tls"]))
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        if "user" not in config:
            auth.set_default_token(token)  # everybody is a viewer
        else:
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            auth.add_digest(config["user"], config["password"], token)
        server.set_auth(auth)

    if "heard" in config:
        factory = GstRtspServer.RTSPOnvifMediaFactory()
        factory.set_media_gtype(GstRtspServer.RTSPOnvifMedia)
        factory.set_backchannel_launch(
            '( capsfilter caps="application/x-rtp, media=audio, payload=0, clock-rate=8000, encoding-name=PCMU" name=depay_backchannel '
            '! rtppcmudepay ! filesink buffer-mode=unbuffered async=false sync=false location="%s" )' % config["heard"]
        )
    else:
        factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(config["launch"])
    factory.set_shared(config.get("shared", False))
    if "tls" in config or "user" in config:
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("viewer", "media.factory.access", True)
        permissions.add_permission_for_role("viewer", "media.factory.construct", True)
        factory.set_permissions(permissions)
    if "ledger" in config:
        ledger = open(config["ledger"], "a", encoding="ascii")
        factory.connect("media-configure", lambda _f, media: keep_ledger(media, config, ledger))
    server.get_mount_points().add_factory("/cam", factory)

    if server.attach(None) == 0:
        sys.exit("cannot listen")
    print("ready", server.get_bound_port(), flush=True)

    def wait_for_parent():
        sys.stdin.read()
        GLib.idle_add(loop.quit)

    threading.Thread(target=wait_for_parent, daemon=True).start()
    loop.run()


main()
