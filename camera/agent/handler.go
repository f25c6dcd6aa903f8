package agent

import (
	"log/slog"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
)

// handler answers RTSP requests. It is the Agent under a type of its own, so that the methods that gortsplib looks
// for are not part of the API.
type handler Agent

func (h *handler) OnConnOpen(ctx *gortsplib.ServerHandlerOnConnOpenCtx) {
	h.log.Debug("reader connected", slog.String("addr", ctx.Conn.NetConn().RemoteAddr().String()))
}

func (h *handler) OnConnClose(ctx *gortsplib.ServerHandlerOnConnCloseCtx) {
	h.log.Debug("reader gone", slog.String("addr", ctx.Conn.NetConn().RemoteAddr().String()), slog.Any("reason", ctx.Error))
}

func (h *handler) OnSessionClose(ctx *gortsplib.ServerHandlerOnSessionCloseCtx) {
	if s, ok := ctx.Session.UserData().(*stream); ok {
		s.readers.Add(-1)
	}
}

func (h *handler) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return h.find(ctx.Conn, ctx.Request, ctx.Path)
}

func (h *handler) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return h.find(ctx.Conn, ctx.Request, ctx.Path)
}

func (h *handler) OnPlay(ctx *gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	s := h.streams[pathOf(ctx.Path)]
	if s == nil {
		return &base.Response{StatusCode: base.StatusNotFound}, nil
	}
	if ctx.Session.UserData() == nil { // not again after a pause
		ctx.Session.SetUserData(s)
		s.readers.Add(1)
	}
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// OnStreamWriteError is called for a reader too slow for its queue; without it the library prints to the console.
func (h *handler) OnStreamWriteError(ctx *gortsplib.ServerHandlerOnStreamWriteErrorCtx) {
	h.log.Debug("reader too slow", slog.Any("error", ctx.Error))
}

// find checks who is asking and returns the stream of a path.
func (h *handler) find(conn *gortsplib.ServerConn, req *base.Request, path string) (
	*base.Response, *gortsplib.ServerStream, error,
) {
	<-h.ready
	if h.config.User != "" && !conn.VerifyCredentials(req, h.config.User, h.config.Password) {
		return &base.Response{StatusCode: base.StatusUnauthorized}, nil, liberrors.ErrServerAuth{}
	}
	s := h.streams[pathOf(path)]
	if s == nil || s.out == nil {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, s.out, nil
}
