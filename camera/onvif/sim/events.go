package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxSubscriptions is how many clients a device tells of events at a time: real ones have few.
const maxSubscriptions = 5

// subscriptions are a device's pull points.
type subscriptions struct {
	last int
	all  map[string]*pullPoint
}

// pullPoint is one client's queue.
type pullPoint struct {
	ends  time.Time
	queue []string
	bell  chan struct{}
}

// SetMotion says what the device's motion detector sees; it tells its clients when that is news.
func (d *Device) SetMotion(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state.motion == on {
		return
	}
	d.state.motion = on
	d.tell(d.motion("Changed"))
}

// Tell sends a notification as it is to every client: the inside of wsnt:NotificationMessage.
func (d *Device) Tell(message string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tell(message)
}

// Notify sends a notification of a property with one value.
func (d *Device) Notify(topic, name, value string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tell(d.notification(topic, "Changed", name, value))
}

// Forget drops all subscriptions, as a restart of the device does.
func (d *Device) Forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.subs.all {
		p.ring()
	}
	d.subs.all = nil
}

// Subscriptions is how many clients are told of events now.
func (d *Device) Subscriptions() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.subs.all)
}

// tell queues a message. The caller holds d.mu.
func (d *Device) tell(message string) {
	for _, p := range d.subs.all {
		p.queue = append(p.queue, message)
		p.ring()
	}
}

func (p *pullPoint) ring() {
	select {
	case p.bell <- struct{}{}:
	default:
	}
}

// motion is the notification of the state of the detector, under each maker's topic. The caller holds d.mu.
func (d *Device) motion(operation string) string {
	on := strconv.FormatBool(d.state.motion)
	switch d.cfg.Kind {
	case Axis:
		return d.notification("tnsaxis:CameraApplicationPlatform/VMD/Camera1Profile1", operation, "active", map[string]string{"true": "1", "false": "0"}[on])
	case Hikvision:
		return d.notification("tns1:VideoSource/MotionAlarm", operation, "State", on)
	}
	return d.notification("tns1:RuleEngine/CellMotionDetector/Motion", operation, "IsMotion", on)
}

func (d *Device) notification(topic, operation, name, value string) string {
	return fmt.Sprintf(`<wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">%s</wsnt:Topic><wsnt:Message><tt:Message UtcTime="%s" PropertyOperation="%s">`+
		`<tt:Source><tt:SimpleItem Name="VideoSourceConfigurationToken" Value="source_1"/><tt:SimpleItem Name="Rule" Value="MyMotion"/></tt:Source><tt:Data><tt:SimpleItem Name="%s" Value="%s"/></tt:Data></tt:Message></wsnt:Message>`,
		topic, d.now().Format(time.RFC3339), operation, esc(name), esc(value))
}

const lostSubscription = "wsrf-rw:ResourceUnknownFault"

func (d *Device) events(q query) (string, *refusal) {
	switch q.operation {
	case "CreatePullPointSubscription":
		return d.subscribe(q)
	case "PullMessages":
		return d.pull(q)
	case "Renew":
		if d.cfg.Kind == Hikvision {
			return "", nil
		}
		return d.renew(q)
	case "Unsubscribe":
		if d.cfg.Kind == Dahua {
			return "", nil
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.subs.all, d.subscriptionOf(q))
		return `<wsnt:UnsubscribeResponse/>`, nil
	case "GetServiceCapabilities":
		return `<tev:GetServiceCapabilitiesResponse><tev:Capabilities WSSubscriptionPolicySupport="false" WSPausableSubscriptionManagerInterfaceSupport="false" MaxPullPoints="5"/></tev:GetServiceCapabilitiesResponse>`, nil
	}
	return "", nil
}

// termination reads how long a subscription is to last. One kind takes only a time by its own clock.
func (d *Device) termination(text string) (time.Time, bool) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, at.After(d.now())
	}
	if text == "" {
		return d.now().Add(time.Minute), true // it is for the device to say
	}
	lasts, ok := duration(text)
	if d.cfg.Kind == Dahua || !ok {
		return time.Time{}, false
	}
	return d.now().Add(lasts), true
}

// duration reads an xs:duration of hours, minutes and seconds.
func duration(text string) (time.Duration, bool) {
	part, found := strings.CutPrefix(strings.TrimSpace(text), "PT")
	lasts, err := time.ParseDuration(strings.ToLower(part))
	return lasts, found && err == nil
}

func (d *Device) subscribe(q query) (string, *refusal) {
	ends, ok := d.termination(q.text("InitialTerminationTime"))
	if !ok {
		return "", &refusal{"wsnt:UnacceptableInitialTerminationTimeFault", "Unacceptable initial termination time"}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expire()
	if len(d.subs.all) >= maxSubscriptions {
		return "", &refusal{"wsnt:SubscribeCreationFailedFault", "Too many subscriptions"}
	}
	if d.subs.all == nil {
		d.subs.all = map[string]*pullPoint{}
	}
	d.subs.last++
	id := strconv.Itoa(d.subs.last)
	d.subs.all[id] = &pullPoint{ends: ends, queue: []string{d.motion("Initialized")}, bell: make(chan struct{}, 1)}
	reference := `<wsa:Address>` + d.at("/onvif/events/sub?id="+id) + `</wsa:Address>`
	if d.cfg.Kind == Axis {
		reference = `<wsa:Address>` + d.at("/onvif/services") + `</wsa:Address><wsa:ReferenceParameters><dom0:SubscriptionId xmlns:dom0="http://www.axis.com/2009/event">` + id + `</dom0:SubscriptionId></wsa:ReferenceParameters>`
	}
	return `<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference>` + reference + `</tev:SubscriptionReference>` + d.times("wsnt", "wsnt", ends) + `</tev:CreatePullPointSubscriptionResponse>`, nil
}

// times is what each answer says of the clock and the end of a subscription.
func (d *Device) times(first, second string, ends time.Time) string {
	return fmt.Sprintf(`<%[1]s:CurrentTime>%[2]s</%[1]s:CurrentTime><%[3]s:TerminationTime>%[4]s</%[3]s:TerminationTime>`, first, d.now().Format(time.RFC3339), second, ends.UTC().Format(time.RFC3339))
}

// subscriptionOf finds which subscription is meant.
func (d *Device) subscriptionOf(q query) string {
	if d.cfg.Kind == Axis {
		return q.header.text("SubscriptionId")
	}
	_, id, _ := strings.Cut(q.path, "?id=")
	return id
}

// expire drops subscriptions that were not prolonged. The caller holds d.mu.
func (d *Device) expire() {
	for id, p := range d.subs.all {
		if p.ends.Before(d.now()) {
			delete(d.subs.all, id)
		}
	}
}

func (d *Device) renew(q query) (string, *refusal) {
	ends, ok := d.termination(q.text("TerminationTime"))
	if !ok {
		return "", &refusal{"wsnt:UnacceptableTerminationTimeFault", "Unacceptable termination time"}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expire()
	p := d.subs.all[d.subscriptionOf(q)]
	if p == nil {
		return "", &refusal{lostSubscription, "Resource unknown"}
	}
	p.ends = ends
	return `<wsnt:RenewResponse><wsnt:TerminationTime>` + ends.UTC().Format(time.RFC3339) + `</wsnt:TerminationTime><wsnt:CurrentTime>` + d.now().Format(time.RFC3339) + `</wsnt:CurrentTime></wsnt:RenewResponse>`, nil
}

func (d *Device) pull(q query) (string, *refusal) {
	patience, _ := duration(q.text("Timeout"))
	limit, err := strconv.Atoi(q.text("MessageLimit"))
	if err != nil || limit < 1 {
		limit = 1
	}
	wait := time.After(min(patience, time.Minute))
	for {
		d.mu.Lock()
		d.expire()
		p := d.subs.all[d.subscriptionOf(q)]
		if p == nil {
			d.mu.Unlock()
			return "", &refusal{lostSubscription, "Resource unknown"}
		}
		if len(p.queue) > 0 || d.cfg.Kind == Dahua {
			var b strings.Builder
			n := min(limit, len(p.queue))
			for _, m := range p.queue[:n] {
				b.WriteString(`<wsnt:NotificationMessage>` + m + `</wsnt:NotificationMessage>`)
			}
			p.queue = p.queue[n:]
			if d.cfg.Kind == Hikvision {
				p.ends = d.now().Add(time.Minute)
			}
			answer := `<tev:PullMessagesResponse>` + d.times("tev", "tev", p.ends) + b.String() + `</tev:PullMessagesResponse>`
			d.mu.Unlock()
			return answer, nil
		}
		bell := p.bell
		d.mu.Unlock()
		select {
		case <-bell:
		case <-q.done:
			return "", nil
		case <-wait:
			d.mu.Lock()
			ends := p.ends
			d.mu.Unlock()
			return `<tev:PullMessagesResponse>` + d.times("tev", "tev", ends) + `</tev:PullMessagesResponse>`, nil
		}
	}
}
