package camera

import (
	"net/url"
	"strings"
	"unicode"

	"cardea/camera/onvif"
	"cardea/camera/rtsp"
)

const maxURL = 2048

// ParseURL reads a camera's address as a person types it and splits the credentials off, so that clean can be
// stored, logged and shown. Its errors are rtsp.ErrURL and never quote the input, which may hold a password.
//
// A password with characters that a URL would want escaped (@ : / # ?) is understood where that is not ambiguous:
// everything up to the last @ before the path belongs to it.
func ParseURL(s string) (clean *url.URL, user, pass string, err error) {
	scheme, rest, err := cutScheme(s)
	if err != nil {
		return nil, "", "", err
	}
	if scheme != "rtsp" && scheme != "rtsps" {
		return nil, "", "", rtsp.ErrURL{Reason: "it does not begin with rtsp:// or rtsps://"}
	}
	return parseRest(scheme, rest)
}

// ParseONVIF reads the address of a camera's ONVIF device service as a person types it: http:// or https:// with or without a path, or
// just a host with or without a port, where the host is an IP address or a name with a dot. ok is false when s is something else, which
// is then for ParseURL. Credentials are split off, and errors are, as there.
func ParseONVIF(s string) (clean *url.URL, user, pass string, ok bool, err error) {
	scheme, rest, err := cutScheme(s)
	if err != nil || scheme != "" && scheme != "http" && scheme != "https" {
		return nil, "", "", false, nil
	}
	bare := scheme == ""
	if bare {
		scheme = "http"
	}
	clean, user, pass, err = parseRest(scheme, rest)
	if bare && (err != nil || clean.Path != "" || clean.RawQuery != "" || !strings.ContainsAny(clean.Hostname(), ".:")) {
		return nil, "", "", false, nil
	}
	if err != nil {
		return nil, "", "", true, err
	}
	if clean.Path == "" || clean.Path == "/" {
		clean.Path = onvif.DevicePath
	}
	return clean, user, pass, true, nil
}

// cutScheme refuses what is no address at all and gives the scheme in small letters, "" where there is none.
func cutScheme(s string) (scheme, rest string, err error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return "", "", rtsp.ErrURL{Reason: "it is empty"}
	case len(s) > maxURL:
		return "", "", rtsp.ErrURL{Reason: "it is too long"}
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar }):
		return "", "", rtsp.ErrURL{Reason: "it holds spaces or characters that cannot be typed"}
	}
	scheme, rest, found := strings.Cut(s, "://")
	if !found {
		return "", s, nil
	}
	return strings.ToLower(scheme), rest, nil
}

// parseRest reads what follows the scheme.
func parseRest(scheme, rest string) (clean *url.URL, user, pass string, err error) {
	rest, user, pass, err = cutUserinfo(rest)
	if err != nil {
		return nil, "", "", err
	}
	clean, perr := url.Parse(scheme + "://" + rest)
	if perr != nil || clean.User != nil {
		return nil, "", "", rtsp.ErrURL{Reason: "its form is not that of a URL"}
	}
	if clean.Hostname() == "" {
		return nil, "", "", rtsp.ErrURL{Reason: "it names no host"}
	}
	if p := clean.Port(); p != "" && !validPort(p) || strings.HasSuffix(clean.Host, ":") {
		return nil, "", "", rtsp.ErrURL{Reason: "its port is not a number from 1 to 65535"}
	}
	clean.Fragment, clean.RawFragment = "", ""
	return clean, user, pass, nil
}

// cutUserinfo takes "user:pass@" off the front of what follows the scheme.
func cutUserinfo(rest string) (after, user, pass string, err error) {
	// The authority ends at the first slash (RFC 3986 section 3.2), but people type passwords with slashes in
	// them. So when there is no @ before the first slash, and what stands there is no host, look further.
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		head := rest[:end]
		if i := strings.LastIndexByte(head, ':'); i >= 0 && !validPort(head[i+1:]) && !strings.HasPrefix(head, "[") {
			at = strings.IndexByte(rest, '@')
		}
	}
	if at < 0 {
		return rest, "", "", nil
	}
	name, secret, _ := strings.Cut(rest[:at], ":")
	return rest[at+1:], unescape(name), unescape(secret), nil
}

// unescape undoes percent-encoding where it is valid; a bare % is taken as typed.
func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

func validPort(s string) bool {
	n := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
		if n = n*10 + int(c-'0'); n > 65535 {
			return false
		}
	}
	return n > 0
}
