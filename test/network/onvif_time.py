"""An ONVIF device that tells its time to everybody and wants a password for the rest, on port 80."""
from http.server import BaseHTTPRequestHandler, HTTPServer

ANSWER = (b'<?xml version="1.0"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body>'
          b'<tds:GetSystemDateAndTimeResponse xmlns:tds="http://www.onvif.org/ver10/device/wsdl"/></e:Body></e:Envelope>')


class Device(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        ok = self.path == "/onvif/device_service" and b"GetSystemDateAndTime" in body
        self.send_response(200 if ok else 401)
        self.send_header("Content-Type", "application/soap+xml")
        self.send_header("Content-Length", str(len(ANSWER) if ok else 0))
        self.end_headers()
        if ok:
            self.wfile.write(ANSWER)


print("ready", flush=True)
HTTPServer(("", 80), Device).serve_forever()
