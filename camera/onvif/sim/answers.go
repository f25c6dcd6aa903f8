package sim

import (
	"fmt"
	"net"
	"strings"
)

const (
	nsDevice = "http://www.onvif.org/ver10/device/wsdl"
	nsMedia  = "http://www.onvif.org/ver10/media/wsdl"
	nsMedia2 = "http://www.onvif.org/ver20/media/wsdl"

	nsEvents   = "http://www.onvif.org/ver10/events/wsdl"
	nsPTZ      = "http://www.onvif.org/ver20/ptz/wsdl"
	nsImaging  = "http://www.onvif.org/ver20/imaging/wsdl"
	nsSecurity = "http://www.onvif.org/ver10/advancedsecurity/wsdl"
	nsNotify   = "http://docs.oasis-open.org/wsn/b-2"
	nsAddress  = "http://www.w3.org/2005/08/addressing"
)

// answer gives the body for a request, "" for one that the device does not know.
func (d *Device) answer(q query) (string, *refusal) {
	switch q.namespace {
	case nsDevice:
		return d.device(q), nil
	case nsMedia:
		return d.media(q), nil
	case nsMedia2:
		if d.cfg.Kind != Dahua {
			return d.media2(q), nil
		}
	case nsEvents, nsNotify:
		return d.events(q)
	case nsPTZ:
		return d.ptz(q)
	case nsImaging:
		return d.imaging(q)
	case nsSecurity:
		if d.cfg.Keystore != nil {
			return d.cfg.Keystore.answer(q)
		}
	}
	return "", nil
}

func (d *Device) device(q query) string {
	switch q.operation {
	case "GetSystemDateAndTime":
		now := d.now()
		return fmt.Sprintf(`<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType><tt:DaylightSavings>false</tt:DaylightSavings><tt:TimeZone><tt:TZ>UTC0</tt:TZ></tt:TimeZone><tt:UTCDateTime><tt:Time><tt:Hour>%d</tt:Hour><tt:Minute>%d</tt:Minute><tt:Second>%d</tt:Second></tt:Time><tt:Date><tt:Year>%d</tt:Year><tt:Month>%d</tt:Month><tt:Day>%d</tt:Day></tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>`,
			now.Hour(), now.Minute(), now.Second(), now.Year(), now.Month(), now.Day())
	case "GetDeviceInformation":
		maker := [...]string{"AXIS", "HIKVISION", "Dahua"}[d.cfg.Kind]
		return `<tds:GetDeviceInformationResponse><tds:Manufacturer>` + maker + `</tds:Manufacturer><tds:Model>SIM-1</tds:Model><tds:FirmwareVersion>1.0</tds:FirmwareVersion><tds:SerialNumber>00408C000001</tds:SerialNumber><tds:HardwareId>1</tds:HardwareId></tds:GetDeviceInformationResponse>`
	case "GetServices":
		if d.cfg.Kind == Dahua {
			return "" // as its older firmware
		}
		return `<tds:GetServicesResponse>` + d.service(nsDevice, "/onvif/device_service", 24) + d.service(nsMedia, "/onvif/media", 24) + d.service(nsMedia2, "/onvif/media2", 23) +
			d.service(nsEvents, "/onvif/events", 24) + d.service(nsPTZ, "/onvif/ptz", 24) + d.service(nsImaging, "/onvif/imaging", 24) + d.securityService() + `</tds:GetServicesResponse>`
	case "GetCapabilities":
		return `<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Device><tt:XAddr>` + d.at("/onvif/device_service") + `</tt:XAddr></tt:Device><tt:Events><tt:XAddr>` + d.at("/onvif/events") +
			`</tt:XAddr><tt:WSSubscriptionPolicySupport>true</tt:WSSubscriptionPolicySupport><tt:WSPullPointSupport>true</tt:WSPullPointSupport><tt:WSPausableSubscriptionManagerInterfaceSupport>false</tt:WSPausableSubscriptionManagerInterfaceSupport></tt:Events><tt:Imaging><tt:XAddr>` +
			d.at("/onvif/imaging") + `</tt:XAddr></tt:Imaging><tt:Media><tt:XAddr>` + d.at("/onvif/media") +
			`</tt:XAddr><tt:StreamingCapabilities><tt:RTPMulticast>false</tt:RTPMulticast><tt:RTP_TCP>true</tt:RTP_TCP><tt:RTP_RTSP_TCP>true</tt:RTP_RTSP_TCP></tt:StreamingCapabilities></tt:Media><tt:PTZ><tt:XAddr>` + d.at("/onvif/ptz") + `</tt:XAddr></tt:PTZ></tds:Capabilities></tds:GetCapabilitiesResponse>`
	case "GetNetworkProtocols":
		return `<tds:GetNetworkProtocolsResponse>` + d.protocol("HTTP", d.ln, d.cfg.TLS == nil) + d.protocol("HTTPS", d.secure, d.httpsOn()) + `</tds:GetNetworkProtocolsResponse>`
	case "SetNetworkProtocols":
		if d.secure != nil && q.text("Name") == "HTTPS" {
			d.mu.Lock()
			d.https = q.text("Enabled") == "true"
			d.mu.Unlock()
		}
		return `<tds:SetNetworkProtocolsResponse/>`
	case "GetScopes":
		return `<tds:GetScopesResponse><tds:Scopes><tt:ScopeDef>Fixed</tt:ScopeDef><tt:ScopeItem>onvif://www.onvif.org/type/video_encoder</tt:ScopeItem></tds:Scopes></tds:GetScopesResponse>`
	}
	return ""
}

// at is the address of a service: of the device, or the one that it had behind another router.
func (d *Device) at(path string) string {
	if d.cfg.Kind == Hikvision {
		return "http://192.0.2.1:80" + path
	}
	return d.base() + path
}

func (d *Device) service(namespace, path string, version int) string {
	return fmt.Sprintf(`<tds:Service><tds:Namespace>%s</tds:Namespace><tds:XAddr>%s</tds:XAddr><tds:Version><tt:Major>%d</tt:Major><tt:Minor>6</tt:Minor></tds:Version></tds:Service>`, namespace, d.at(path), version)
}

func (d *Device) securityService() string {
	if d.cfg.Keystore == nil {
		return ""
	}
	return d.service(nsSecurity, "/onvif/advancedsecurity", 24)
}

func (d *Device) httpsOn() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.https
}

func (d *Device) protocol(name string, ln net.Listener, on bool) string {
	if ln == nil {
		return ""
	}
	return fmt.Sprintf(`<tds:NetworkProtocols><tt:Name>%s</tt:Name><tt:Enabled>%t</tt:Enabled><tt:Port>%d</tt:Port></tds:NetworkProtocols>`, name, on, ln.Addr().(*net.TCPAddr).Port)
}

func (d *Device) stream(token string) (Stream, bool) {
	for _, s := range d.streams() {
		if s.Token == token {
			return s, true
		}
	}
	return Stream{}, false
}

// url is the stream's address as the device tells it.
func (d *Device) url(s Stream) string {
	if d.cfg.Kind == Dahua && d.cfg.User != "" {
		return strings.Replace(s.URL, "rtsp://", "rtsp://"+d.cfg.User+":leaked@", 1)
	}
	return s.URL
}

func (d *Device) media(q query) string {
	switch q.operation {
	case "GetProfiles":
		var b strings.Builder
		for _, s := range d.streams() {
			if s.Codec == "H265" {
				continue // Media 1 has no word for it
			}
			fmt.Fprintf(&b, `<trt:Profiles token="%s" fixed="true"><tt:Name>%s</tt:Name>%s<tt:VideoEncoderConfiguration token="enc_%[1]s"><tt:Name>encoder</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>%[4]s</tt:Encoding>`+
				`<tt:Resolution><tt:Width>%[5]d</tt:Width><tt:Height>%[6]d</tt:Height></tt:Resolution><tt:Quality>4</tt:Quality><tt:RateControl><tt:FrameRateLimit>25</tt:FrameRateLimit><tt:EncodingInterval>1</tt:EncodingInterval><tt:BitrateLimit>4096</tt:BitrateLimit></tt:RateControl>`+
				`<tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type><tt:IPv4Address>0.0.0.0</tt:IPv4Address></tt:Address><tt:Port>0</tt:Port><tt:TTL>1</tt:TTL><tt:AutoStart>false</tt:AutoStart></tt:Multicast><tt:SessionTimeout>PT60S</tt:SessionTimeout></tt:VideoEncoderConfiguration>%[7]s</trt:Profiles>`,
				esc(s.Token), esc(s.Name), source("tt:VideoSourceConfiguration"), s.Codec, s.Width, s.Height, moving("tt:PTZConfiguration"))
		}
		return `<trt:GetProfilesResponse>` + b.String() + `</trt:GetProfilesResponse>`
	case "GetStreamUri":
		if s, ok := d.stream(q.profile); ok {
			return `<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>` + esc(d.url(s)) + `</tt:Uri><tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout></trt:MediaUri></trt:GetStreamUriResponse>`
		}
	case "GetSnapshotUri":
		if _, ok := d.stream(q.profile); ok {
			return `<trt:GetSnapshotUriResponse><trt:MediaUri><tt:Uri>` + d.base() + `/still</tt:Uri><tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout></trt:MediaUri></trt:GetSnapshotUriResponse>`
		}
	case "GetVideoSources":
		return `<trt:GetVideoSourcesResponse><trt:VideoSources token="lens_1"><tt:Framerate>25</tt:Framerate><tt:Resolution><tt:Width>1920</tt:Width><tt:Height>1080</tt:Height></tt:Resolution></trt:VideoSources></trt:GetVideoSourcesResponse>`
	}
	return ""
}

func source(element string) string {
	return `<` + element + ` token="source_1"><tt:Name>lens</tt:Name><tt:UseCount>2</tt:UseCount><tt:SourceToken>lens_1</tt:SourceToken><tt:Bounds x="0" y="0" width="1920" height="1080"/></` + element + `>`
}

func (d *Device) media2(q query) string {
	switch q.operation {
	case "GetProfiles":
		var b strings.Builder
		for _, s := range d.streams() {
			fmt.Fprintf(&b, `<tr2:Profiles token="%s" fixed="true"><tr2:Name>%s</tr2:Name><tr2:Configurations>%s%s%s</tr2:Configurations></tr2:Profiles>`,
				esc(s.Token), esc(s.Name), source("tr2:VideoSource"), encoderOf("tr2:VideoEncoder", s), moving("tr2:PTZ"))
		}
		return `<tr2:GetProfilesResponse>` + b.String() + `</tr2:GetProfilesResponse>`
	case "GetStreamUri":
		protocol := q.text("Protocol")
		if s, ok := d.stream(q.profile); ok && s.Secure != "" && protocol == "RtspsUnicast" {
			return `<tr2:GetStreamUriResponse><tr2:Uri>` + esc(s.Secure) + `</tr2:Uri></tr2:GetStreamUriResponse>`
		}
		if s, ok := d.stream(q.profile); ok && (protocol == "RTSP" || protocol == "RtspUnicast") {
			return `<tr2:GetStreamUriResponse><tr2:Uri>` + esc(d.url(s)) + `</tr2:Uri></tr2:GetStreamUriResponse>`
		}
	case "GetSnapshotUri":
		if _, ok := d.stream(q.profile); ok {
			return `<tr2:GetSnapshotUriResponse><tr2:Uri>` + d.at("/still?lens=1&amp;size=big") + `</tr2:Uri></tr2:GetSnapshotUriResponse>`
		}
	case "GetVideoEncoderConfigurations":
		var b strings.Builder
		for _, s := range d.streams() {
			if token := q.text("ConfigurationToken"); token == "" || token == "enc_"+s.Token {
				b.WriteString(encoderOf("tr2:Configurations", s))
			}
		}
		return `<tr2:GetVideoEncoderConfigurationsResponse>` + b.String() + `</tr2:GetVideoEncoderConfigurationsResponse>`
	case "GetVideoEncoderConfigurationOptions":
		var b strings.Builder
		for _, codec := range []string{"H265", "H264"} {
			fmt.Fprintf(&b, `<tr2:Options GovLengthRange="1 250" FrameRatesSupported="25 15 5" ProfilesSupported="Main High"><tt:Encoding>%s</tt:Encoding><tt:QualityRange><tt:Min>0</tt:Min><tt:Max>10</tt:Max></tt:QualityRange>`+
				`<tt:ResolutionsAvailable><tt:Width>320</tt:Width><tt:Height>180</tt:Height></tt:ResolutionsAvailable><tt:ResolutionsAvailable><tt:Width>640</tt:Width><tt:Height>360</tt:Height></tt:ResolutionsAvailable>`+
				`<tt:BitrateRange><tt:Min>64</tt:Min><tt:Max>2048</tt:Max></tt:BitrateRange></tr2:Options>`, codec)
		}
		return `<tr2:GetVideoEncoderConfigurationOptionsResponse>` + b.String() + `</tr2:GetVideoEncoderConfigurationOptionsResponse>`
	case "SetVideoEncoderConfiguration":
		if d.setEncoder(q.first("Configuration")) {
			return `<tr2:SetVideoEncoderConfigurationResponse/>`
		}
	}
	return ""
}

// encoderOf is how a stream is encoded, in the words of Media 2.
func encoderOf(element string, s Stream) string {
	return fmt.Sprintf(`<%s token="enc_%s" GovLength="50" Profile="High"><tt:Name>encoder</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>%s</tt:Encoding>`+
		`<tt:Resolution><tt:Width>%d</tt:Width><tt:Height>%d</tt:Height></tt:Resolution><tt:RateControl ConstantBitRate="false"><tt:FrameRateLimit>25</tt:FrameRateLimit><tt:BitrateLimit>4096</tt:BitrateLimit></tt:RateControl><tt:Quality>4</tt:Quality></%[1]s>`,
		element, esc(s.Token), s.Codec, s.Width, s.Height)
}

// moving is the configuration by which the lens is moved.
func moving(element string) string {
	const spaces = "http://www.onvif.org/ver10/tptz/"
	return `<` + element + ` token="ptz_1"><tt:Name>motor</tt:Name><tt:UseCount>1</tt:UseCount><tt:NodeToken>node_1</tt:NodeToken>` +
		`<tt:DefaultContinuousPanTiltVelocitySpace>` + spaces + `PanTiltSpaces/VelocityGenericSpace</tt:DefaultContinuousPanTiltVelocitySpace>` +
		`<tt:DefaultContinuousZoomVelocitySpace>` + spaces + `ZoomSpaces/VelocityGenericSpace</tt:DefaultContinuousZoomVelocitySpace></` + element + `>`
}
