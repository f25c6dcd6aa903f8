package onvif

import (
	"slices"
	"strings"
	"time"

	"cardea/camera/rtsp"
)

// Bounds of a notification.
const (
	maxItems = 32
	maxValue = 200
	maxTopic = 200
)

// Notification is something that a camera says it noticed (ONVIF Core, section 9.4). Nobody vouches for it.
type Notification struct {
	// Topic is its path without namespace prefixes, such as RuleEngine/CellMotionDetector/Motion.
	Topic string
	// Operation is Initialized, Changed or Deleted for what has a state, "" for what has none.
	Operation string
	// Source tells what it is about (lens, rule), as one text; Data is what is said, by name in small letters.
	Source string
	Data   map[string]string
	// At is when it happened, with the camera's clock put right; zero where it does not say.
	At time.Time
}

// notifications reads the answer to a pull. offset is how far the camera's clock is ahead.
func notifications(n *node, offset time.Duration) (out []Notification) {
	for _, m := range n.all("NotificationMessage") {
		if len(out) == pullMessages {
			break
		}
		message := m.child("Message", "Message")
		if message.name.Local == "" {
			message = m.child("Message")
		}
		topic := topicOf(m.child("Topic").text)
		if topic == "" {
			continue
		}
		found := Notification{Topic: topic, Operation: rtsp.Short(message.attr("PropertyOperation")), Data: map[string]string{}}
		var source []string
		for name, value := range items(message.child("Source")) {
			source = append(source, name+"="+value)
		}
		slices.Sort(source)
		found.Source = strings.Join(source, " ")
		for name, value := range items(message.child("Data")) {
			found.Data[name] = value
		}
		if at, err := time.Parse(time.RFC3339, message.attr("UtcTime")); err == nil && at.Year() >= 1970 && at.Year() < 2200 {
			found.At = at.Add(-offset).UTC()
		}
		out = append(out, found)
	}
	return out
}

// items reads the simple items of a source or of data.
func items(n *node) map[string]string {
	out := map[string]string{}
	for _, item := range n.all("SimpleItem") {
		if name := strings.ToLower(bounded(item.attr("Name"))); name != "" && len(out) < maxItems {
			out[name] = bounded(item.attr("Value"))
		}
	}
	return out
}

func bounded(s string) string {
	if s = rtsp.Short(s); len(s) > maxValue {
		return ""
	}
	return s
}

// topicOf takes the prefixes off a topic: tns1:Device/tnsaxis:IO/Port is Device/IO/Port.
func topicOf(text string) string {
	if len(text) > maxTopic {
		return ""
	}
	var parts []string
	for part := range strings.SplitSeq(rtsp.Short(text), "/") {
		if _, local, found := strings.Cut(part, ":"); found {
			part = local
		}
		parts = append(parts, strings.TrimSpace(part))
	}
	return strings.Trim(strings.Join(parts, "/"), "/")
}

// Signal is a notification that matters to a recorder.
type Signal struct {
	// Kind is motion, object, doorbell or tamper; Label says more of it: person, vehicle, animal, face, package, line, "".
	Kind, Label string
	// Key tells one detector of the camera from another.
	Key string
	// On says that it began or goes on. A Moment has no end that the camera would tell.
	On, Moment bool
}

// meaning is what a part of a topic stands for. Cameras agree about few topics, but what they call them says what they are; the first
// that fits counts.
var meanings = []struct {
	kind, label string
	parts       []string
}{
	{"tamper", "", []string{"tamper", "globalscenechange"}},
	{"doorbell", "", []string{"visitor", "doorbell"}},
	{"object", "person", []string{"peopledetect", "/people", "human", "person"}},
	{"object", "vehicle", []string{"vehicledetect", "/vehicle"}},
	{"object", "animal", []string{"dogcatdetect", "petdetect", "animaldetect"}},
	{"object", "face", []string{"facedetect"}},
	{"object", "package", []string{"myruledetector/package"}},
	{"motion", "line", []string{"linedetector", "crossed"}},
	// Axis (VMD, ObjectAnalytics), Bosch and Hanwha (MotionDetection), ONVIF's own, Hikvision's and Dahua's (FieldDetector), TP-Link's.
	{"motion", "", []string{"motion", "/vmd", "objectanalytics", "objectsinside", "fielddetector", "loitering", "tpsmartevent"}},
}

// states are the names under which cameras say whether something is on.
var states = []string{"ismotion", "state", "active", "isinside", "istamper", "tampering", "ispeople", "isvehicle", "ispet", "istpsmartevent", "motion", "logicalstate", "value"}

// Signal reads what a notification means; ok is false for what a recorder has no use for.
func (n Notification) Signal() (s Signal, ok bool) {
	topic := "/" + strings.ToLower(n.Topic)
	for _, m := range meanings {
		if !containsAny(topic, m.parts) {
			continue
		}
		s = Signal{Kind: m.kind, Label: m.label, Key: topic + " " + n.Source}
		on, known := n.state()
		switch {
		case n.Operation == "Deleted":
		case known:
			s.On = on
		case n.Operation == "Initialized":
			return Signal{}, false // what it is about is not said
		default:
			s.On, s.Moment = true, true
		}
		return s, true
	}
	return Signal{}, false
}

// state says whether what it is about is on.
func (n Notification) state() (on, known bool) {
	for _, name := range states {
		if on, known := truth(n.Data[name]); known {
			return on, true
		}
	}
	for _, value := range n.Data {
		if on, known := truth(value); known && len(n.Data) == 1 {
			return on, true
		}
	}
	return false, false
}

// truth reads an xs:boolean.
func truth(s string) (on, known bool) {
	switch strings.ToLower(s) {
	case "true", "1":
		return true, true
	case "false", "0":
		return false, true
	}
	return false, false
}

func containsAny(s string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}
