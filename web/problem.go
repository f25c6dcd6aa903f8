package web

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"cardea/auth"
	"cardea/camera/rtsp"
	"cardea/store"
	"cardea/web/api"
	"cardea/web/sentence"
)

// problem is an error with the sentence that the person gets to read.
func problem(status int, detail string) error {
	return &huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail}
}

// explain turns any error into a problem document (RFC 9457). It is the only place that does. What is not meant for
// the outside is logged with its cause and becomes a plain 500.
func (s *Server) explain(method, path string, err error) error {
	if known := new(huma.ErrorModel); errors.As(err, &known) {
		return known
	}
	var camera *api.CameraError
	if errors.As(err, &camera) {
		return aboutCamera(camera)
	}
	var refused *auth.Error
	if errors.As(err, &refused) {
		err := problem(refusal(refused.Code), refused.Message)
		if refused.RetryAfter > 0 {
			err = huma.ErrorWithHeaders(err, http.Header{fiber.HeaderRetryAfter: {retryAfter(refused.RetryAfter)}})
		}
		return err
	}
	var waits *auth.NeedsApproval
	if errors.As(err, &waits) {
		id := waits.Request.String()
		return &huma.ErrorModel{
			Type: "approval-required", Status: http.StatusForbidden, Title: "A second owner has to approve", Detail: waits.Error(),
			Errors: []*huma.ErrorDetail{{Location: approvalLocation, Message: id, Value: id}},
		}
	}
	status, detail := http.StatusInternalServerError, ""
	var coded *store.Error
	var routing *fiber.Error
	switch {
	case errors.As(err, &coded):
		status, detail = statusOf(coded.Code), coded.Message
	case errors.As(err, &routing):
		status, detail = routing.Code, routingDetail(routing.Code)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		status, detail = http.StatusServiceUnavailable, "The NVR did not answer in time. Try again."
	}
	level := slog.LevelDebug
	if status >= 500 {
		level = slog.LevelError
	}
	s.log.Log(s.ctx, level, "request refused", "method", method, "path", path, "status", status, "err", err)
	if status == http.StatusInternalServerError {
		detail = "Something went wrong inside the NVR. Its log has the cause."
	}
	return problem(status, whole(detail))
}

// aboutCamera says why a camera cannot be used. Where a person has to confirm its key, the fingerprint stands by itself too.
func aboutCamera(err *api.CameraError) error {
	p := &huma.ErrorModel{Type: "camera-unusable", Status: http.StatusUnprocessableEntity, Title: "The camera cannot be used", Detail: err.Error()}
	var pin rtsp.ErrPin
	if errors.As(err, &pin) {
		print := hex.EncodeToString(pin.Got)
		p.Type, p.Status, p.Title = "camera-key", http.StatusConflict, "The camera's key has to be confirmed"
		p.Errors = []*huma.ErrorDetail{{Location: fingerprintLocation, Message: print, Value: print}}
	}
	return p
}

// These mark the error details whose value is ours and not the client's: the key of a camera, the id of a request for approval.
const (
	fingerprintLocation = "body.fingerprint"
	approvalLocation    = "approval"
)

func refusal(code auth.Code) int {
	switch code {
	case auth.Denied:
		return http.StatusUnauthorized
	case auth.Forbidden:
		return http.StatusForbidden
	case auth.Conflict:
		return http.StatusConflict
	case auth.Invalid:
		return http.StatusUnprocessableEntity
	case auth.NotFound:
		return http.StatusNotFound
	case auth.Throttled:
		return http.StatusTooManyRequests
	}
	return http.StatusInternalServerError
}

func statusOf(code store.Code) int {
	switch code {
	case store.NotFound:
		return http.StatusNotFound
	case store.Invalid:
		return http.StatusUnprocessableEntity
	case store.Conflict:
		return http.StatusConflict
	case store.Denied:
		return http.StatusForbidden
	case store.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func routingDetail(status int) string {
	switch status {
	case http.StatusNotFound:
		return "There is nothing at this address."
	case http.StatusMethodNotAllowed:
		return "This address does not take that method."
	case http.StatusRequestEntityTooLarge:
		return "The request is too large."
	case http.StatusRequestHeaderFieldsTooLarge:
		return "The header of the request is too large."
	case http.StatusUpgradeRequired:
		return "This address speaks WebSocket only."
	}
	return http.StatusText(status)
}

// whole makes an error's text a sentence: a capital at the front, a stop at the end.
func whole(s string) string {
	if s == "" {
		return s
	}
	if c := s[0]; 'a' <= c && c <= 'z' {
		s = string(c-'a'+'A') + s[1:]
	}
	if !strings.ContainsRune(".!?", rune(s[len(s)-1])) {
		s += "."
	}
	return s
}

// fail is fiber's error handler: everything that did not go through huma ends here.
func (s *Server) fail(c *fiber.Ctx, err error) error {
	err = s.explain(c.Method(), c.Path(), err)
	var withHeaders huma.HeadersError
	if errors.As(err, &withHeaders) {
		for k, v := range withHeaders.GetHeaders() {
			c.Set(k, strings.Join(v, ", "))
		}
	}
	p := new(huma.ErrorModel)
	if !errors.As(err, &p) {
		p = &huma.ErrorModel{Status: http.StatusInternalServerError}
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.Status(p.Status).JSON(document(p), "application/problem+json")
}

// recover turns a panic of a handler into a 500 and keeps the program recording.
func (s *Server) recover(c *fiber.Ctx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("request panicked", "method", c.Method(), "path", c.Path(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fiber.ErrInternalServerError
		}
	}()
	return c.Next()
}

// said is a problem document with its detail as a code and values (RFC 9457, 3.2), so that a screen can say it in another language.
type said struct {
	*huma.ErrorModel
	Code   string         `json:"code,omitempty"`
	Params map[string]any `json:"params,omitempty"`
}

// document is an error as it leaves.
func document(p *huma.ErrorModel) said {
	d := said{ErrorModel: p}
	if s := sentence.Of(p.Detail); s != nil {
		d.Code, d.Params = s.Code, s.Params
	}
	return d
}

// documents keeps what the client sent out of the answer, because a password that is too short must not come back, and adds the codes.
func documents(_ huma.Context, _ string, v any) (any, error) {
	p, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	for _, e := range p.Errors {
		if e.Location != fingerprintLocation && e.Location != approvalLocation || e.Message != e.Value {
			e.Value = nil
		}
	}
	return document(p), nil
}

func httpStatus(code int) string { return strconv.Itoa(code) }
