package onvif

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"
)

// challenge is what a camera asks for by HTTP digest (RFC 7616).
type challenge struct {
	realm, nonce, opaque string
	algorithm            string // "", MD5 or SHA-256, as the camera wrote it
	qop                  bool   // "auth" is offered
	count                uint32
}

// newChallenge picks the best digest that is offered: SHA-256 before MD5. It is nil where there is none: Basic, which would give
// the password away, is never an answer.
func newChallenge(offers []string) *challenge {
	var best *challenge
	for _, offer := range offers {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(offer), " ")
		if !strings.EqualFold(scheme, "Digest") {
			continue
		}
		p := parameters(rest)
		ch := &challenge{realm: p["realm"], nonce: p["nonce"], opaque: p["opaque"], algorithm: p["algorithm"]}
		for _, q := range strings.Split(p["qop"], ",") {
			ch.qop = ch.qop || strings.EqualFold(strings.TrimSpace(q), "auth")
		}
		known := ch.algorithm == "" || strings.EqualFold(ch.algorithm, "MD5") || strings.EqualFold(ch.algorithm, "SHA-256")
		if !known || ch.nonce == "" || p["qop"] != "" && !ch.qop {
			continue
		}
		if best == nil || strings.EqualFold(ch.algorithm, "SHA-256") {
			best = ch
		}
	}
	return best
}

// authorize makes the header for one request.
func (ch *challenge) authorize(method, uri, user, password string, random io.Reader) (string, error) {
	header := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s"`, quote(user), quote(ch.realm), quote(ch.nonce), quote(uri))
	if ch.algorithm != "" {
		header += ", algorithm=" + ch.algorithm
	}
	if ch.opaque != "" {
		header += `, opaque="` + quote(ch.opaque) + `"`
	}
	nc, cnonce := "", ""
	if ch.qop {
		fresh := make([]byte, 8)
		if _, err := io.ReadFull(random, fresh); err != nil {
			return "", err
		}
		ch.count++
		nc, cnonce = fmt.Sprintf("%08x", ch.count), hex.EncodeToString(fresh)
		header += `, qop=auth, nc=` + nc + `, cnonce="` + cnonce + `"`
	}
	return header + `, response="` + ch.response(method, uri, user, password, nc, cnonce) + `"`, nil
}

// response is the digest itself: that of RFC 2069, as old cameras speak it, where no qop is offered.
func (ch *challenge) response(method, uri, user, password, nc, cnonce string) string {
	sum := func(text string) string {
		var h hash.Hash = md5.New()
		if strings.EqualFold(ch.algorithm, "SHA-256") {
			h = sha256.New()
		}
		h.Write([]byte(text))
		return hex.EncodeToString(h.Sum(nil))
	}
	middle := ch.nonce
	if ch.qop {
		middle += ":" + nc + ":" + cnonce + ":auth"
	}
	return sum(sum(user+":"+ch.realm+":"+password) + ":" + middle + ":" + sum(method+":"+uri))
}

// parameters reads name=value and name="value" pairs (RFC 9110, section 11.2).
func parameters(s string) map[string]string {
	out := map[string]string{}
	for s != "" && len(out) < 32 {
		name, rest, found := strings.Cut(s, "=")
		if !found {
			break
		}
		name = strings.ToLower(strings.Trim(name, " \t,"))
		rest = strings.TrimLeft(rest, " \t")
		var value strings.Builder
		if strings.HasPrefix(rest, `"`) {
			i := 1
			for ; i < len(rest) && rest[i] != '"'; i++ {
				if rest[i] == '\\' && i+1 < len(rest) {
					i++
				}
				value.WriteByte(rest[i])
			}
			s = rest[min(i+1, len(rest)):]
		} else {
			text, more, _ := strings.Cut(rest, ",")
			value.WriteString(strings.TrimSpace(text))
			s = more
		}
		if _, twice := out[name]; !twice {
			out[name] = value.String()
		}
	}
	return out
}

// quote escapes what would end a quoted string.
func quote(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) }
