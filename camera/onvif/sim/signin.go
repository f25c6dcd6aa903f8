package sim

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// tolerance is how far a token's time may be from the device's clock (WS-Security UsernameToken Profile 1.0 recommends five minutes).
const tolerance = 5 * time.Minute

// element is a piece of XML.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []element  `xml:",any"`
}

// first finds the first element below e, at any depth, by its local name; an empty one where there is none.
func (e *element) first(name string) *element {
	for i := range e.Children {
		c := &e.Children[i]
		if c.XMLName.Local == name {
			return c
		}
		if found := c.first(name); found.XMLName.Local != "" {
			return found
		}
	}
	return &element{}
}

// text is that of the first element with a name.
func (e *element) text(name string) string { return strings.TrimSpace(e.first(name).Text) }

func (e *element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// query is a request as a device sees it.
type query struct {
	element
	namespace, operation           string
	user, password, nonce, created string
	profile                        string
	header                         element
	path                           string
	done                           <-chan struct{} // closed when the client is gone
}

// read takes what matters out of an envelope.
func read(body []byte) (q query, err error) {
	var envelope element
	if err := xml.Unmarshal(body, &envelope); err != nil {
		return q, err
	}
	for _, part := range envelope.Children {
		switch {
		case part.XMLName.Local == "Header":
			q.header = part
			q.user, q.password, q.nonce, q.created = part.text("Username"), part.text("Password"), part.text("Nonce"), part.text("Created")
		case part.XMLName.Local == "Body" && len(part.Children) > 0:
			q.element = part.Children[0]
			q.namespace, q.operation, q.profile = q.XMLName.Space, q.XMLName.Local, q.text("ProfileToken")
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
