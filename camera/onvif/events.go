package onvif

import (
	"context"
	"encoding/xml"
	"errors"
	"strconv"
	"strings"
	"time"

	"cardea/camera/rtsp"
)

// The namespaces of notifications (WS-BaseNotification 1.3) and of their addresses (WS-Addressing 1.0).
const (
	nsNotify    = "http://docs.oasis-open.org/wsn/b-2"
	nsAddress   = "http://www.w3.org/2005/08/addressing"
	pullAction  = nsEvents + "/PullPointSubscription/PullMessagesRequest"
	makeAction  = nsEvents + "/EventPortType/CreatePullPointSubscriptionRequest"
	renewAction = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/RenewRequest"
	endAction   = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/UnsubscribeRequest"
)

const (
	// lease is how long a subscription is to last without a word from us, pullFor how long the camera may wait for something to tell.
	lease   = time.Minute
	pullFor = 20 * time.Second
	// pullMessages is how many notifications one answer may hold; what a camera sends beyond is dropped.
	pullMessages = 64
	// emptyPause keeps a camera that answers at once with nothing from being asked in a circle.
	emptyPause = time.Second
	// maxReference bounds what a camera wants to be told back with each request.
	maxReference = 8 << 10
)

// subscription is a pull point (ONVIF Core, section 9.2). One goroutine uses it.
type subscription struct {
	c               *Client
	path, reference string
	// renewAt is when the subscription is to be prolonged, by our clock: margin before it ends.
	renewAt time.Time
	margin  time.Duration
	// absolute is set where the camera does not take a duration for the end of a subscription.
	absolute bool
}

// Watch gives each notification to notify, from its own goroutine, until ctx is done (then it returns nil) or the camera cannot be
// asked any more. A subscription that the camera forgot is made anew, once for each time it worked; subscribed is called each time
// there is a new one: what was on before is unknown then, the camera says it again. In the end the camera is told that nobody listens any
// more, where leave, which may be nil, allows to say so.
func (c *Client) Watch(ctx context.Context, subscribed func(), notify func(Notification), leave func() bool) error {
	for {
		s, err := c.subscribe(ctx)
		if err != nil {
			return quiet(ctx, err)
		}
		subscribed()
		worked, err := s.run(ctx, notify)
		if leave == nil || leave() {
			s.end()
		}
		var fault ErrFault
		if ctx.Err() != nil || !worked || !errors.As(err, &fault) {
			return quiet(ctx, err)
		}
	}
}

// quiet is nil when the end was asked for.
func quiet(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// subscribe makes a pull point for all topics: filters are what cameras disagree about most.
func (c *Client) subscribe(ctx context.Context) (*subscription, error) {
	path, ok := c.services[nsEvents]
	if !ok {
		return nil, ErrNotOffered{Operation: "CreatePullPointSubscription"}
	}
	s := &subscription{c: c, path: path}
	n, err := s.termination(ctx, func(until string) (*node, error) {
		return s.ask(ctx, makeAction, "CreatePullPointSubscription", `<CreatePullPointSubscription xmlns="`+nsEvents+`"><InitialTerminationTime>`+until+
			`</InitialTerminationTime></CreatePullPointSubscription>`, 0)
	})
	if err != nil {
		return nil, err
	}
	reference := n.child("SubscriptionReference")
	if s.path, ok = here(reference.child("Address").text); !ok || s.path == "/" {
		return nil, ErrAnswer{Reason: "its subscription for events has no address"}
	}
	var b strings.Builder
	for _, p := range reference.child("ReferenceParameters").children {
		p.write(&b, true)
	}
	if b.Len() > maxReference {
		return nil, errTooLong
	}
	s.reference = b.String()
	return s, nil
}

var errTooLong = ErrAnswer{Reason: "what it wants to be told back about events is too long"}

// termination asks for a subscription or for more of it: with a duration, or where the camera refuses that, with a time by its own clock.
func (s *subscription) termination(ctx context.Context, ask func(until string) (*node, error)) (*node, error) {
	until := "PT" + strconv.Itoa(int(lease/time.Second)) + "S"
	if s.absolute {
		until = s.byItsClock()
	}
	n, err := ask(until)
	var fault ErrFault
	if errors.As(err, &fault) && !s.absolute && ctx.Err() == nil {
		if n, err = ask(s.byItsClock()); err == nil {
			s.absolute = true
		}
	}
	if err != nil {
		return nil, err
	}
	s.took(n, true)
	return n, nil
}

func (s *subscription) byItsClock() string {
	return s.c.cfg.Now().Add(s.c.offset + lease).UTC().Format("2006-01-02T15:04:05Z")
}

// took notes how long the subscription lasts: what the camera says, measured by its own clock alone, within reason. A granted one is
// renewed after half of its time.
func (s *subscription) took(n *node, granted bool) {
	left := lease
	now, err1 := time.Parse(time.RFC3339, n.child("CurrentTime").text)
	end, err2 := time.Parse(time.RFC3339, n.child("TerminationTime").text)
	if err1 == nil && err2 == nil {
		left = min(max(end.Sub(now), 10*time.Second), 10*time.Minute)
	}
	if granted {
		s.margin = left / 2
	}
	s.renewAt = s.c.cfg.Now().Add(left - s.margin)
}

// run pulls until something breaks. worked is true once a pull was answered.
func (s *subscription) run(ctx context.Context, notify func(Notification)) (worked bool, err error) {
	for ctx.Err() == nil {
		if !s.c.cfg.Now().Before(s.renewAt) {
			if err := s.renew(ctx); err != nil {
				return worked, err
			}
		}
		began := s.c.cfg.Now()
		all, err := s.pull(ctx)
		if err != nil {
			return worked, err
		}
		worked = true
		for _, m := range all {
			notify(m)
		}
		if len(all) == 0 && s.c.cfg.Now().Sub(began) < emptyPause {
			select {
			case <-ctx.Done():
			case <-time.After(emptyPause):
			}
		}
	}
	return worked, ctx.Err()
}

// pull waits for notifications. Each pull also prolongs the subscription at most cameras.
func (s *subscription) pull(ctx context.Context) ([]Notification, error) {
	wait := min(pullFor, s.margin)
	body := `<PullMessages xmlns="` + nsEvents + `"><Timeout>PT` + strconv.Itoa(int(wait/time.Second)) + `S</Timeout><MessageLimit>` +
		strconv.Itoa(pullMessages) + `</MessageLimit></PullMessages>`
	n, err := s.ask(ctx, pullAction, "PullMessages", body, wait)
	if err != nil {
		return nil, err
	}
	if n.child("TerminationTime").text != "" {
		s.took(n, false)
	}
	return notifications(n, s.c.offset), nil
}

// renew prolongs the subscription. A camera that knows no Renew prolongs with each pull, or says so at the next one.
func (s *subscription) renew(ctx context.Context) error {
	_, err := s.termination(ctx, func(until string) (*node, error) {
		return s.ask(ctx, renewAction, "Renew", `<Renew xmlns="`+nsNotify+`"><TerminationTime>`+until+`</TerminationTime></Renew>`, 0)
	})
	var fault ErrFault
	if errors.As(err, &fault) {
		s.renewAt = s.c.cfg.Now().Add(lease / 2)
		return nil
	}
	return err
}

// end lets the camera forget the subscription: some have few. It is no matter when it cannot be told.
func (s *subscription) end() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, _ = s.ask(ctx, endAction, "Unsubscribe", `<Unsubscribe xmlns="`+nsNotify+`"/>`, 0)
}

// ask sends a request with the addressing that events want (ONVIF Core, section 9.1).
func (s *subscription) ask(ctx context.Context, action, operation, body string, patience time.Duration) (*node, error) {
	to := s.c.cfg.URL.Scheme + "://" + s.c.cfg.URL.Host + s.path
	return s.c.ask(ctx, request{
		path: s.path, action: action, operation: operation, body: body, patience: patience,
		headers: `<Action xmlns="` + nsAddress + `" s:mustUnderstand="1">` + action + `</Action><To xmlns="` + nsAddress + `" s:mustUnderstand="1">` + esc(to) + `</To>` + s.reference,
	})
}

// write puts an element out again, each with its namespace; the outermost as a reference parameter (WS-Addressing 1.0 SOAP Binding, section 3).
func (n *node) write(b *strings.Builder, outermost bool) {
	name := xml.Name{Local: esc(n.name.Local)}
	b.WriteString(`<` + name.Local + ` xmlns="` + esc(n.name.Space) + `"`)
	for i, a := range n.attrs {
		switch {
		case a.Name.Local == "xmlns" || a.Name.Space == "xmlns":
		case a.Name.Space == "":
			b.WriteString(` ` + esc(a.Name.Local) + `="` + esc(a.Value) + `"`)
		default:
			prefix := "a" + strconv.Itoa(i)
			b.WriteString(` xmlns:` + prefix + `="` + esc(a.Name.Space) + `" ` + prefix + `:` + esc(a.Name.Local) + `="` + esc(a.Value) + `"`)
		}
	}
	if outermost {
		b.WriteString(` xmlns:wsa="` + nsAddress + `" wsa:IsReferenceParameter="true"`)
	}
	b.WriteString(`>` + esc(n.text))
	for _, c := range n.children {
		c.write(b, false)
	}
	b.WriteString(`</` + name.Local + `>`)
}

// Denied reports whether an error of this package says that the account was refused.
func Denied(err error) bool {
	var auth rtsp.ErrAuth
	return errors.As(err, &auth)
}
