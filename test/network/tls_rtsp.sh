#!/bin/sh
# Something that speaks RTSP inside TLS on port 322: enough of it to answer OPTIONS.
# Usage: tls_rtsp.sh DIRECTORY
set -eu
cd "$1"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=camera 2>/dev/null
cat >answer.sh <<'END'
while read -r line; do
	line=$(printf %s "$line" | tr -d '\r')
	[ -n "$line" ] || printf 'RTSP/1.0 200 OK\r\nCSeq: 1\r\nServer: Secure Cam 2\r\nPublic: OPTIONS, DESCRIBE\r\n\r\n'
done
END
cat >stunnel.conf <<END
foreground = yes
pid =
cert = $1/cert.pem
key = $1/key.pem
[rtsps]
accept = 322
exec = /bin/sh
execArgs = sh $1/answer.sh
END
exec stunnel4 stunnel.conf
