package syslog

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"cardea/store"
)

// Facilities and severities (RFC 5424, section 6.2.1).
const (
	facilityAudit  = 13
	facilityLocal0 = 16
	warning        = 4
	notice         = 5
	informational  = 6
)

// sdID names our structured data; 32473 is the number that RFC 5612 gives to examples and to whoever has none.
const sdID = "cardea@32473"

// appendFrame adds a record as one message in the octet counting of RFC 5425, section 4.3.
func appendFrame(frames []byte, host string, log store.LogName, r *store.LoggedRecord) []byte {
	message := format(host, log, r)
	frames = strconv.AppendInt(frames, int64(len(message)), 10)
	frames = append(frames, ' ')
	return append(frames, message...)
}

// format makes the RFC 5424 message of a record. The text is the record's JSON, which has no control characters.
func format(host string, log store.LogName, r *store.LoggedRecord) string {
	facility, severity := facilityLocal0, informational
	switch {
	case log == store.LogAccess && r.Result == store.ResultRefused:
		facility, severity = facilityAudit, warning
	case log == store.LogAccess:
		facility, severity = facilityAudit, notice
	case r.Action == store.ActionDeletion || r.Action == store.ActionGap:
		severity = notice
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<%d>1 %s %s cardea - %s [%s", facility*8+severity, nilValue(r.Time), hostname(host), log, sdID)
	for _, param := range [][2]string{
		{"seq", strconv.FormatInt(r.Seq, 10)}, {"action", r.Action}, {"result", r.Result}, {"name", r.Name}, {"addr", r.Addr}, {"camera", r.CameraName}, {"clip", r.Clip},
	} {
		if param[1] != "" {
			fmt.Fprintf(&b, ` %s="%s"`, param[0], paramValue(param[1]))
		}
	}
	b.WriteString("] ")
	b.Write(r.Text)
	return b.String()
}

// paramValue escapes as section 6.3.3 wants, and replaces what is not printable.
func paramValue(text string) string {
	var b strings.Builder
	for _, c := range text {
		switch {
		case c == '"' || c == '\\' || c == ']':
			b.WriteByte('\\')
			b.WriteRune(c)
		case unicode.IsPrint(c):
			b.WriteRune(c)
		default:
			b.WriteRune(unicode.ReplacementChar)
		}
	}
	return b.String()
}

// hostname is printable ASCII without spaces, at most 255 of it.
func hostname(text string) string {
	text = strings.Map(func(c rune) rune {
		if c <= ' ' || c > '~' {
			return -1
		}
		return c
	}, text)
	return nilValue(text[:min(len(text), 255)])
}

func nilValue(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
