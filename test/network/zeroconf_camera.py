"""A camera that announces itself through python-zeroconf, as Home Assistant's tests do.

Usage: zeroconf_camera.py ADDRESS SERVICE NAME PORT [KEY=VALUE...]
"""
import signal
import socket
import sys

from zeroconf import InterfaceChoice, IPVersion, ServiceInfo, Zeroconf

address, service, name, port = sys.argv[1:5]
ending = {signal.SIGTERM, signal.SIGINT}
signal.pthread_sigmask(signal.SIG_BLOCK, ending)
text = dict(part.split("=", 1) for part in sys.argv[5:])
announcer = Zeroconf(interfaces=[address], ip_version=IPVersion.V4Only)
info = ServiceInfo(
    service + ".local.", f"{name}.{service}.local.", port=int(port), properties=text,
    server=name.replace(" ", "-") + ".local.", addresses=[socket.inet_aton(address)],
)
announcer.register_service(info)
print("announced", flush=True)
signal.sigwait(ending)
announcer.unregister_service(info)
announcer.close()
