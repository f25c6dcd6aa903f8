package nvr

import (
	"encoding/base64"
	"encoding/hex"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"cardea/camera"
	"cardea/store"
)

// parseAddress reads what a person typed. Its errors never hold a password.
func parseAddress(text string) (*url.URL, credentials, error) {
	clean, user, password, err := camera.ParseURL(text)
	if err != nil {
		return nil, credentials{}, store.Errorf(store.Invalid, "%s", err.Error())
	}
	if ip, err := netip.ParseAddr(clean.Hostname()); err == nil && !allowed(ip) {
		return nil, credentials{}, store.Errorf(store.Invalid, "%s is no address that a camera can have.", ip)
	}
	return clean, credentials{User: user, Password: password}, nil
}

// allowed refuses addresses that are nobody's, and those where clouds hand out credentials to whoever asks from inside.
// A loopback address is fine: a person typed it, and a bridge for an old camera may run on the box. So are the other
// link-local ones, which a camera without a DHCP server takes.
func allowed(ip netip.Addr) bool {
	switch ip = ip.Unmap().WithZone(""); ip.String() {
	case "169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "255.255.255.255":
		return false
	}
	return !ip.IsUnspecified() && !ip.IsMulticast()
}

// parseFingerprint reads a SHA-256 in hex, with or without colons, or in base64. "" gives nil.
func parseFingerprint(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil
	}
	if b, err := hex.DecodeString(strings.ReplaceAll(text, ":", "")); err == nil && len(b) == 32 {
		return b, nil
	}
	bare := strings.TrimRight(text, "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := encoding.DecodeString(bare); err == nil && len(b) == 32 {
			return b, nil
		}
	}
	return nil, store.Errorf(store.Invalid, "a fingerprint is a SHA-256: 64 hexadecimal digits, with or without colons, or 44 characters of base64")
}

// trustOf says how a camera's identity is known: over rtsps:// nothing is sent before the key is the pinned one, or is
// vouched for by a public authority.
func trustOf(address *url.URL) store.Trust {
	if address.Scheme == "rtsps" {
		return store.TrustPinned
	}
	return store.TrustPlain
}

// parseONVIF reads the address of a device service, as parseAddress does that of a stream.
func parseONVIF(text string) (*url.URL, credentials, error) {
	clean, user, password, ok, err := camera.ParseONVIF(text)
	if err != nil {
		return nil, credentials{}, store.Errorf(store.Invalid, "%s", err.Error())
	}
	if !ok {
		return nil, credentials{}, store.Errorf(store.Invalid, "an ONVIF address looks like http://192.0.2.7/onvif/device_service")
	}
	return clean, credentials{User: user, Password: password}, nil
}

// sideAddress reads an address for which the camera's own account is used; "" stays so.
func sideAddress(text string, parse func(string) (*url.URL, credentials, error)) (string, error) {
	if strings.TrimSpace(text) == "" {
		return "", nil
	}
	clean, account, err := parse(text)
	if err != nil {
		return "", err
	}
	if account != (credentials{}) {
		return "", store.Errorf(store.Invalid, "enter this address without user and password: those of the camera are used")
	}
	return clean.String(), nil
}

// moved gives the address text of a device that went from one host to another.
func moved(text string, from, to *url.URL) string {
	u, err := url.Parse(text)
	if err != nil || text == "" {
		return ""
	}
	switch port := u.Port(); {
	case u.Host == from.Host:
		u.Host = to.Host
	case port != "":
		u.Host = net.JoinHostPort(to.Hostname(), port)
	default:
		u.Host = to.Host[:len(to.Host)-len(portOf(to))]
	}
	return u.String()
}

// portOf is the port in an address with its colon, "" for none.
func portOf(u *url.URL) string {
	if u.Port() == "" {
		return ""
	}
	return ":" + u.Port()
}
