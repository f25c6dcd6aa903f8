package ca

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
)

// MobileConfig is the root as a configuration profile of iOS, iPadOS and macOS, `application/x-apple-aspen-config`. It
// is unsigned, which the device says; its identifiers follow from the certificate, so that installing it again
// replaces it instead of adding a second one. After installing it the person has to switch the trust on in Settings,
// General, About, Certificate Trust Settings.
func (w *Web) MobileConfig() []byte {
	id := "io.cardea.web-ca." + w.Fingerprint()[:16]
	text := func(s string) string {
		var b bytes.Buffer
		_ = xml.EscapeText(&b, []byte(s)) // a buffer does not fail
		return b.String()
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>PayloadContent</key>
	<array>
		<dict>
			<key>PayloadCertificateFileName</key>
			<string>cardea.crt</string>
			<key>PayloadContent</key>
			<data>%s</data>
			<key>PayloadDescription</key>
			<string>Root certificate of %s</string>
			<key>PayloadDisplayName</key>
			<string>%[2]s</string>
			<key>PayloadIdentifier</key>
			<string>%s.root</string>
			<key>PayloadType</key>
			<string>com.apple.security.root</string>
			<key>PayloadUUID</key>
			<string>%s</string>
			<key>PayloadVersion</key>
			<integer>1</integer>
		</dict>
	</array>
	<key>PayloadDescription</key>
	<string>Lets this device recognise your Cardea box. It is limited to names and addresses of local networks. After installing, switch it on in Settings, General, About, Certificate Trust Settings.</string>
	<key>PayloadDisplayName</key>
	<string>%[2]s</string>
	<key>PayloadIdentifier</key>
	<string>%[3]s</string>
	<key>PayloadRemovalDisallowed</key>
	<false/>
	<key>PayloadType</key>
	<string>Configuration</string>
	<key>PayloadUUID</key>
	<string>%[5]s</string>
	<key>PayloadVersion</key>
	<integer>1</integer>
</dict>
</plist>
`, base64.StdEncoding.EncodeToString(w.root.Raw), text(w.Name()), text(id), w.uuid("root"), w.uuid("profile"))
	return b.Bytes()
}

// uuid is a UUID of version 8 (RFC 9562 section 5.8) made from the root and a purpose.
func (w *Web) uuid(purpose string) string {
	u := sha256.Sum256(append([]byte("cardea "+purpose+"\x00"), w.root.Raw...))
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%X-%X-%X-%X-%X", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
