package agent

import (
	"log/slog"
	"slices"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"

	"cardea/camera/rtsp"
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
	switch s := ctx.Session.UserData().(type) {
	case *stream:
		s.readers.Add(-1)
	case *playback:
		s.close()
	}
}

func (h *handler) OnResponse(c *gortsplib.ServerConn, res *base.Response) {
	if s := c.Session(); s != nil {
		if p, ok := s.UserData().(*playback); ok {
			p.answered(res)
		}
	}
}

func (h *handler) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	res, out, err := h.find(ctx.Conn, ctx.Request, ctx.Path)
	if sub := h.config.Subs[pathOf(ctx.Path)]; sub != "" && res.StatusCode == base.StatusOK {
		res.Header = base.Header{rtsp.SubHeader: {sub}}
	}
	return res, out, err
}

func (h *handler) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	res, out, err := h.find(ctx.Conn, ctx.Request, ctx.Path)
	if res.StatusCode != base.StatusOK {
		return res, out, err
	}
	s := h.streams[pathOf(ctx.Path)]
	if s.memory != nil {
		// Here and not in the answer to PLAY, which media may overtake in the reader.
		res.Header = base.Header{rtsp.LifeHeader: {lifeText(s.memory.name())}}
	}
	if !slices.Contains(ctx.Request.Header["Require"], rtsp.ReplayOption) {
		return res, out, nil
	}
	p, ok := ctx.Session.UserData().(*playback)
	if !ok {
		var refused *base.Response
		if p, refused = h.openPlayback(s); p == nil {
			return refused, nil, nil
		}
		ctx.Session.SetUserData(p)
	}
	p.setup = trackOf(ctx.Request)
	return res, p.out, nil
}

func (h *handler) OnPlay(ctx *gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	s := h.streams[pathOf(ctx.Path)]
	if s == nil {
		return &base.Response{StatusCode: base.StatusNotFound}, nil
	}
	if p, ok := ctx.Session.UserData().(*playback); ok {
		return p.play(ctx), nil
	}
	if ctx.Session.UserData() == nil { // not again after a pause
		ctx.Session.SetUserData(s)
		s.readers.Add(1)
		s.listen(ctx.Session)
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
	if s == nil {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	s.mu.Lock()
	out := s.out
	s.mu.Unlock()
	if out == nil {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, out, nil
}
