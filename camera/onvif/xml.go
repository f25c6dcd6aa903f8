package onvif

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// Bounds of an answer. The longest that real cameras send, the profiles of one with four lenses, takes some 60 kB.
const (
	maxAnswer = 1 << 20
	maxDepth  = 40
	maxNodes  = 20_000
	maxText   = 64 << 10 // of one element
	maxAttrs  = 64
)

var (
	errXML    = errors.New("its XML cannot be read")
	errDTD    = errors.New("its XML holds a document type, which SOAP forbids")
	errBounds = errors.New("its XML is too long or too deep")
)

// node is an element. Elements are looked for by their local names: cameras disagree about namespaces, and none of what is read
// here has a name that means two things at one place.
type node struct {
	name     xml.Name
	attrs    []xml.Attr
	text     string
	children []*node
}

// parse reads a document token by token: no entities but those of XML itself, no document type (SOAP 1.2 part 1, section 5), nothing
// beyond the bounds, and nothing is fetched.
func parse(data []byte) (*node, error) {
	if len(data) > maxAnswer {
		return nil, errBounds
	}
	dec := xml.NewDecoder(bytes.NewReader(data))
	dec.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		if strings.EqualFold(charset, "us-ascii") || strings.EqualFold(charset, "utf8") {
			return in, nil
		}
		return nil, errXML
	}
	var root *node
	var path []*node
	var texts []*strings.Builder
	for nodes := 0; ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errXML
		}
		switch token := token.(type) {
		case xml.Directive:
			return nil, errDTD
		case xml.StartElement:
			if nodes++; nodes > maxNodes || len(path) >= maxDepth || len(token.Attr) > maxAttrs {
				return nil, errBounds
			}
			n := &node{name: token.Name, attrs: token.Attr}
			switch {
			case len(path) > 0:
				parent := path[len(path)-1]
				parent.children = append(parent.children, n)
			case root != nil:
				return nil, errXML
			default:
				root = n
			}
			path, texts = append(path, n), append(texts, &strings.Builder{})
		case xml.EndElement:
			last := len(path) - 1
			path[last].text = strings.TrimSpace(texts[last].String())
			path, texts = path[:last], texts[:last]
		case xml.CharData:
			if len(path) == 0 {
				continue
			}
			text := texts[len(texts)-1]
			if text.Len()+len(token) > maxText {
				return nil, errBounds
			}
			text.Write(token)
		}
	}
	if root == nil {
		return nil, errXML
	}
	return root, nil
}

// child gives the first descendant along local names, an empty node where there is none, so that look-ups can be chained.
func (n *node) child(names ...string) *node {
	for _, name := range names {
		var next *node
		for _, c := range n.children {
			if c.name.Local == name {
				next = c
				break
			}
		}
		if next == nil {
			return &node{}
		}
		n = next
	}
	return n
}

// all gives the children with a local name.
func (n *node) all(name string) (out []*node) {
	for _, c := range n.children {
		if c.name.Local == name {
			out = append(out, c)
		}
	}
	return out
}

func (n *node) attr(name string) string {
	for _, a := range n.attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// esc makes text safe inside an element and an attribute.
func esc(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
