package onvif

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cardea/camera/rtsp"
)

const (
	envelopeHead = `<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header>`
	nsWSSecurity = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-"
	digestType   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
	base64Type   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
)

// request is one question to a camera.
type request struct {
	path, action, operation string
	// body is the element of the request; headers are further blocks for the envelope's header.
	body, headers string
	// patience is how long the camera may take on purpose, beside Config.Timeout.
	patience time.Duration
}

// call asks one thing of the service of a namespace: body is what stands in the element of the request, without a prefix of ours.
func (c *Client) call(ctx context.Context, namespace, operation, body string) (*node, error) {
	path, ok := c.services[namespace]
	if !ok {
		return nil, ErrNotOffered{Operation: operation}
	}
	return c.ask(ctx, request{
		path: path, action: namespace + "/" + operation, operation: operation,
		body: `<` + operation + ` xmlns="` + namespace + `" xmlns:tt="http://www.onvif.org/ver10/schema">` + body + `</` + operation + `>`,
	})
}

// ask posts a request, by HTTP digest where the camera wants that, and gives the first element of the answer's body.
func (c *Client) ask(ctx context.Context, q request) (*node, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout+q.patience)
	defer cancel()
	status, header, data, err := c.post(ctx, q)
	if err != nil {
		return nil, err
	}
	if status == http.StatusUnauthorized && c.cfg.User != "" {
		// Some cameras know HTTP digest only; others ask for it with a new nonce from time to time.
		if fresh := newChallenge(header.Values("WWW-Authenticate")); fresh != nil {
			c.mu.Lock()
			c.digest = fresh
			c.mu.Unlock()
			if status, _, data, err = c.post(ctx, q); err != nil {
				return nil, err
			}
		}
	}
	return c.answer(status, q.operation, data)
}

// answer takes the envelope off.
func (c *Client) answer(status int, operation string, data []byte) (*node, error) {
	root, err := parse(data)
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return nil, rtsp.ErrAuth{Given: c.cfg.User != ""}
	case errors.Is(err, errDTD), errors.Is(err, errBounds):
		return nil, ErrAnswer{Reason: err.Error()}
	case err != nil && status != http.StatusOK, err == nil && root.name.Local != "Envelope":
		return nil, ErrNotONVIF{Status: status}
	case err != nil:
		return nil, ErrAnswer{Reason: err.Error()}
	}
	body := root.child("Body").children
	if len(body) == 0 {
		if status != http.StatusOK {
			return nil, ErrNotONVIF{Status: status}
		}
		return &node{}, nil // what some say to a request without an answer
	}
	if body[0].name.Local != "Fault" {
		return body[0], nil
	}
	fault := readFault(operation, body[0])
	if fault.is("NotAuthorized", "FailedAuthentication", "FailedCheck", "InvalidSecurityToken", "InvalidSecurity") {
		return nil, rtsp.ErrAuth{Given: c.cfg.User != ""}
	}
	return nil, fault
}

// post sends one request. Where HTTP digest is in use the header of WS-Security stays away: cameras that want the one may refuse the other.
func (c *Client) post(ctx context.Context, q request) (int, http.Header, []byte, error) {
	at, err := url.Parse(c.cfg.URL.Scheme + "://" + c.cfg.URL.Host + q.path)
	if err != nil {
		return 0, nil, nil, ErrAnswer{Reason: "it names a service at an address that is none"}
	}
	authorization := ""
	if c.cfg.User != "" {
		c.mu.Lock()
		if c.digest != nil {
			authorization, err = c.digest.authorize(http.MethodPost, at.RequestURI(), c.cfg.User, c.cfg.Password, c.cfg.Rand)
		}
		c.mu.Unlock()
		if err != nil {
			return 0, nil, nil, err
		}
	}
	security := ""
	if authorization == "" && c.cfg.User != "" {
		if security, err = c.usernameToken(); err != nil {
			return 0, nil, nil, err
		}
	}
	envelope := envelopeHead + security + q.headers + `</s:Header><s:Body>` + q.body + `</s:Body></s:Envelope>`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), strings.NewReader(envelope))
	if err != nil {
		return 0, nil, nil, ErrAnswer{Reason: "it names a service at an address that is none"}
	}
	req.Header.Set("Content-Type", `application/soap+xml; charset=utf-8; action="`+q.action+`"`)
	req.Header.Set("User-Agent", "Cardea")
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	return c.send(req, maxAnswer)
}

// send gives status, header and body of an answer, of the body at most one byte more than most.
func (c *Client) send(req *http.Request, most int64) (int, http.Header, []byte, error) {
	res, err := c.http.Do(req)
	if err != nil {
		return 0, nil, nil, c.dialError(req.Context(), err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	if err != nil {
		return 0, nil, nil, c.dialError(req.Context(), err)
	}
	return res.StatusCode, res.Header, data, nil
}

// usernameToken makes the header of WS-Security UsernameToken Profile 1.0 with a digest of the password. Created is the time by the
// camera's clock, because cameras refuse a token of another hour.
func (c *Client) usernameToken() (string, error) {
	nonce := make([]byte, 16)
	if _, err := io.ReadFull(c.cfg.Rand, nonce); err != nil {
		return "", err
	}
	created := c.cfg.Now().Add(c.offset).UTC().Format("2006-01-02T15:04:05.000Z")
	sum := sha1.New() // the profile knows nothing else
	sum.Write(nonce)
	sum.Write([]byte(created + c.cfg.Password))
	return `<wsse:Security xmlns:wsse="` + nsWSSecurity + `secext-1.0.xsd" xmlns:wsu="` + nsWSSecurity + `utility-1.0.xsd" s:mustUnderstand="1"><wsse:UsernameToken>` +
		`<wsse:Username>` + esc(c.cfg.User) + `</wsse:Username>` +
		`<wsse:Password Type="` + digestType + `">` + base64.StdEncoding.EncodeToString(sum.Sum(nil)) + `</wsse:Password>` +
		`<wsse:Nonce EncodingType="` + base64Type + `">` + base64.StdEncoding.EncodeToString(nonce) + `</wsse:Nonce>` +
		`<wsu:Created>` + created + `</wsu:Created></wsse:UsernameToken></wsse:Security>`, nil
}
