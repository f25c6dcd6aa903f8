package sim

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// tolerance is how far a token's time may be from the device's clock (WS-Security UsernameToken Profile 1.0 recommends five minutes).
const tolerance = 5 * time.Minute

// query is a request as a device sees it.
type query struct {
	namespace, operation           string
	user, password, nonce, created string
	profile, protocol              string
}

// read takes what matters out of an envelope.
func read(body []byte) (q query, err error) {
	dec := xml.NewDecoder(bytes.NewReader(body))
	depth, inside, text := 0, false, ""
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return q, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			depth++
			if inside && depth == 3 && q.operation == "" {
				q.namespace, q.operation = token.Name.Space, token.Name.Local
			}
			inside = inside || depth == 2 && token.Name.Local == "Body"
			text = ""
		case xml.CharData:
			text += string(token)
		case xml.EndElement:
			depth--
			value := strings.TrimSpace(text)
			switch token.Name.Local {
			case "Username":
				q.user = value
			case "Password":
				q.password = value
			case "Nonce":
				q.nonce = value
			case "Created":
				q.created = value
			case "ProfileToken":
				q.profile = value
			case "Protocol":
				q.protocol = value
			}
		}
	}
	if q.operation == "" {
		return q, errors.New("no operation")
	}
	return q, nil
}

// admit checks the account, by the way of signing in that the device knows.
func (d *Device) admit(r *http.Request, q query) bool {
	if d.cfg.Kind == Hikvision {
		return d.admitDigest(r)
	}
	created, err := time.Parse(time.RFC3339, q.created)
	if err != nil || d.now().Sub(created).Abs() > tolerance {
		return false
	}
	nonce, err := base64.StdEncoding.DecodeString(q.nonce)
	if err != nil {
		return false
	}
	sum := sha1.Sum([]byte(string(nonce) + q.created + d.cfg.Password))
	return q.user == d.cfg.User && q.password == base64.StdEncoding.EncodeToString(sum[:])
}

var pairs = regexp.MustCompile(`([a-z]+)=("[^"]*"|[^,\s]*)`)

// admitDigest checks HTTP digest (RFC 7616 with MD5).
func (d *Device) admitDigest(r *http.Request) bool {
	p := map[string]string{}
	fields, found := strings.CutPrefix(r.Header.Get("Authorization"), "Digest ")
	if !found {
		return false
	}
	for _, pair := range pairs.FindAllStringSubmatch(fields, 32) {
		p[pair[1]] = strings.Trim(pair[2], `"`)
	}
	sum := func(s string) string {
		h := md5.Sum([]byte(s))
		return hex.EncodeToString(h[:])
	}
	want := sum(fmt.Sprintf("%s:%s:%s:%s:auth:%s", sum(d.cfg.User+":IP Camera(1,2):"+d.cfg.Password), d.nonce, p["nc"], p["cnonce"], sum(r.Method+":"+r.URL.RequestURI())))
	return p["username"] == d.cfg.User && p["nonce"] == d.nonce && p["response"] == want
}
