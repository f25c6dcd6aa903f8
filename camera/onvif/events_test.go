package onvif_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"cardea/camera/onvif"
	"cardea/camera/onvif/sim"
)

// waitFor polls until ok, generously.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: did not come", what)
		}
	}
}

// watch gives what a camera notices.
func watch(t *testing.T, c *onvif.Client) (signals <-chan onvif.Signal, news <-chan struct{}, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, again, done := make(chan onvif.Signal, 64), make(chan struct{}, 64), make(chan error, 1)
	go func() {
		done <- c.Watch(ctx, func() { again <- struct{}{} }, func(n onvif.Notification) {
			if s, ok := n.Signal(); ok {
				out <- s
			}
		}, nil)
	}()
	return out, again, func() error {
		cancel()
		return <-done
	}
}

func next(t *testing.T, signals <-chan onvif.Signal) onvif.Signal {
	t.Helper()
	select {
	case s := <-signals:
		return s
	case <-time.After(time.Minute):
		t.Fatal("no notification came")
		return onvif.Signal{}
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]sim.Kind{"Axis": sim.Axis, "Hikvision": sim.Hikvision, "Dahua": sim.Dahua} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := device(t, sim.Config{Kind: kind, User: account, Password: secret, Clock: -time.Hour})
			c, err := dial(t, d.URL(), nil)
			if err != nil {
				t.Fatal(err)
			}
			signals, news, stop := watch(t, c)
			if s := next(t, signals); s.Kind != "motion" || s.On || s.Moment {
				t.Errorf("at first: %+v", s)
			}
			d.SetMotion(true)
			on := next(t, signals)
			d.SetMotion(false)
			off := next(t, signals)
			if !on.On || off.On || on.Key != off.Key || on.Kind != "motion" {
				t.Errorf("%+v then %+v", on, off)
			}
			// A restart of the camera forgets everybody; the client is back by itself, and hears what is on.
			d.SetMotion(true)
			next(t, signals)
			<-news
			d.Forget()
			<-news
			if s := next(t, signals); !s.On {
				t.Errorf("after a restart: %+v", s)
			}
			if err := stop(); err != nil {
				t.Errorf("stopped: %v", err)
			}
			if kind != sim.Dahua && d.Subscriptions() != 0 {
				t.Errorf("%d subscriptions are left", d.Subscriptions())
			}
			asked := map[string]int{}
			for _, r := range d.Requests() {
				asked[r.Operation]++
			}
			// One more each time for a camera that takes no duration, one in all for one that asks for a digest first.
			if want := map[sim.Kind]int{sim.Axis: 2, sim.Hikvision: 3, sim.Dahua: 4}[kind]; asked["CreatePullPointSubscription"] != want {
				t.Errorf("asked %v", asked)
			}
		})
	}
}

// TestRenew: a subscription outlives its first lease, by the camera's own clock, which is an hour off.
func TestRenew(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]sim.Kind{"Axis": sim.Axis, "Dahua": sim.Dahua} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			fast := func() time.Time { return began.Add(time.Since(began) * 50) } // a minute in 1.2 s, in which a busy machine can answer
			d := device(t, sim.Config{Kind: kind, User: account, Password: secret, Clock: time.Hour, Now: fast})
			c, err := dial(t, d.URL(), func(cfg *onvif.Config) { cfg.Now = fast })
			if err != nil {
				t.Fatal(err)
			}
			_, _, stop := watch(t, c)
			count := func(operation string) (n int) {
				for _, r := range d.Requests() {
					if r.Operation == operation {
						n++
					}
				}
				return n
			}
			if kind == sim.Axis {
				// A long poll takes the real time that it takes; notifications end it.
				over := make(chan struct{})
				defer close(over)
				go func() {
					for {
						select {
						case <-over:
							return
						case <-time.After(50 * time.Millisecond):
						}
						d.Notify("tns1:VideoSource/MotionAlarm", "State", "true")
					}
				}()
			}
			waitFor(t, "two renewals", func() bool { return count("Renew") >= 2 })
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEventErrors(t *testing.T) {
	t.Parallel()
	fault := func(operation string) func(http.ResponseWriter, string) bool {
		return func(w http.ResponseWriter, asked string) bool {
			if asked != operation {
				return false
			}
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(`<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body><e:Fault><e:Code><e:Value>e:Receiver</e:Value></e:Code><e:Reason><e:Text>no memory</e:Text></e:Reason></e:Fault></e:Body></e:Envelope>`))
			return true
		}
	}
	for _, operation := range []string{"CreatePullPointSubscription", "PullMessages"} {
		d := device(t, sim.Config{User: account, Password: secret, Tamper: fault(operation)})
		c, err := dial(t, d.URL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		// What never works is not tried in a circle.
		err = c.Watch(t.Context(), func() {}, func(onvif.Notification) {}, nil)
		var refused onvif.ErrFault
		if !errors.As(err, &refused) || refused.Operation != operation {
			t.Errorf("%s: %v", operation, err)
		}
		if n := len(d.Requests()); n > 12 {
			t.Errorf("%s: %d requests", operation, n)
		}
	}
}

func TestSignals(t *testing.T) {
	t.Parallel()
	one := func(topic, operation string, data ...string) onvif.Notification {
		n := onvif.Notification{Topic: topic, Operation: operation, Source: "a=b", Data: map[string]string{}}
		for i := 0; i < len(data); i += 2 {
			n.Data[data[i]] = data[i+1]
		}
		return n
	}
	for _, c := range []struct {
		n    onvif.Notification
		want onvif.Signal
	}{
		{one("RuleEngine/CellMotionDetector/Motion", "Changed", "ismotion", "true"), onvif.Signal{Kind: "motion", On: true}},
		{one("VideoSource/MotionAlarm", "Initialized", "state", "false"), onvif.Signal{Kind: "motion"}},
		{one("CameraApplicationPlatform/ObjectAnalytics/Device1Scenario1", "Changed", "active", "1", "classtypes", "human"), onvif.Signal{Kind: "motion", On: true}},
		{one("RuleEngine/FieldDetector/ObjectsInside", "Changed", "objectid", "7", "isinside", "true"), onvif.Signal{Kind: "motion", On: true}},
		{one("RuleEngine/LineDetector/Crossed", "", "objectid", "7"), onvif.Signal{Kind: "motion", Label: "line", On: true, Moment: true}},
		{one("RuleEngine/MyRuleDetector/PeopleDetect", "Changed", "state", "true"), onvif.Signal{Kind: "object", Label: "person", On: true}},
		{one("RuleEngine/MyRuleDetector/Visitor", "Changed", "state", "true"), onvif.Signal{Kind: "doorbell", On: true}},
		{one("RuleEngine/TamperDetector/Tamper", "Changed", "istamper", "true"), onvif.Signal{Kind: "tamper", On: true}},
		{one("VideoSource/GlobalSceneChange/ImagingService", "Changed", "state", "true"), onvif.Signal{Kind: "tamper", On: true}},
		{one("RuleEngine/CellMotionDetector/Motion", "Deleted", "ismotion", "true"), onvif.Signal{Kind: "motion"}},
	} {
		got, ok := c.n.Signal()
		if got.Key == "" {
			t.Errorf("%s has no key", c.n.Topic)
		}
		got.Key = ""
		if !ok || got != c.want {
			t.Errorf("%s is %+v", c.n.Topic, got)
		}
	}
	for _, n := range []onvif.Notification{
		one("Monitoring/ProcessorUsage", "Changed", "value", "1"), one("Device/Trigger/DigitalInput", "Changed", "logicalstate", "true"),
		one("RuleEngine/LineDetector/Crossed", "Initialized"), one("Media/ProfileChanged", ""),
	} {
		if s, ok := n.Signal(); ok {
			t.Errorf("%s is %+v", n.Topic, s)
		}
	}
}

// TestReference: what a camera wants to be told back is, in its own namespace and nothing of it as markup of ours.
func TestReference(t *testing.T) {
	t.Parallel()
	d := device(t, sim.Config{User: account, Password: secret})
	c, err := dial(t, d.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	signals, _, stop := watch(t, c)
	next(t, signals)
	if err := stop(); err != nil {
		t.Error(err)
	}
	for _, r := range d.Requests() {
		if r.Operation == "PullMessages" && !strings.Contains(r.Body, `<SubscriptionId xmlns="http://www.axis.com/2009/event"`) {
			t.Errorf("pulled without the reference: %s", r.Body)
		}
	}
}
