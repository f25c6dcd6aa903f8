package sim

import (
	"fmt"
	"strings"
)

const (
	nsDevice = "http://www.onvif.org/ver10/device/wsdl"
	nsMedia  = "http://www.onvif.org/ver10/media/wsdl"
	nsMedia2 = "http://www.onvif.org/ver20/media/wsdl"
)

// answer gives the body for a request, "" for one that the device does not know.
func (d *Device) answer(q query) string {
	switch q.namespace {
	case nsDevice:
		return d.device(q)
	case nsMedia:
		return d.media(q)
	case nsMedia2:
		if d.cfg.Kind != Dahua {
			return d.media2(q)
		}
	}
	return ""
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
		return `<tds:GetServicesResponse>` + d.service(nsDevice, "/onvif/device_service", 24) + d.service(nsMedia, "/onvif/media", 24) + d.service(nsMedia2, "/onvif/media2", 23) + `</tds:GetServicesResponse>`
	case "GetCapabilities":
		return `<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Device><tt:XAddr>` + d.at("/onvif/device_service") + `</tt:XAddr></tt:Device><tt:Media><tt:XAddr>` + d.at("/onvif/media") +
			`</tt:XAddr><tt:StreamingCapabilities><tt:RTPMulticast>false</tt:RTPMulticast><tt:RTP_TCP>true</tt:RTP_TCP><tt:RTP_RTSP_TCP>true</tt:RTP_RTSP_TCP></tt:StreamingCapabilities></tt:Media></tds:Capabilities></tds:GetCapabilitiesResponse>`
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

func (d *Device) stream(token string) (Stream, bool) {
	for _, s := range d.cfg.Streams {
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
		for _, s := range d.cfg.Streams {
			if s.Codec == "H265" {
				continue // Media 1 has no word for it
			}
			fmt.Fprintf(&b, `<trt:Profiles token="%s" fixed="true"><tt:Name>%s</tt:Name>%s<tt:VideoEncoderConfiguration token="enc_%[1]s"><tt:Name>encoder</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>%[4]s</tt:Encoding>`+
				`<tt:Resolution><tt:Width>%[5]d</tt:Width><tt:Height>%[6]d</tt:Height></tt:Resolution><tt:Quality>4</tt:Quality><tt:RateControl><tt:FrameRateLimit>25</tt:FrameRateLimit><tt:EncodingInterval>1</tt:EncodingInterval><tt:BitrateLimit>4096</tt:BitrateLimit></tt:RateControl>`+
				`<tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type><tt:IPv4Address>0.0.0.0</tt:IPv4Address></tt:Address><tt:Port>0</tt:Port><tt:TTL>1</tt:TTL><tt:AutoStart>false</tt:AutoStart></tt:Multicast><tt:SessionTimeout>PT60S</tt:SessionTimeout></tt:VideoEncoderConfiguration></trt:Profiles>`,
				esc(s.Token), esc(s.Name), source("tt:VideoSourceConfiguration"), s.Codec, s.Width, s.Height)
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
		for _, s := range d.cfg.Streams {
			fmt.Fprintf(&b, `<tr2:Profiles token="%s" fixed="true"><tr2:Name>%s</tr2:Name><tr2:Configurations>%s<tr2:VideoEncoder token="enc_%[1]s" GovLength="50" Profile="High"><tt:Name>encoder</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>%[4]s</tt:Encoding>`+
				`<tt:Resolution><tt:Width>%[5]d</tt:Width><tt:Height>%[6]d</tt:Height></tt:Resolution><tt:RateControl ConstantBitRate="false"><tt:FrameRateLimit>25</tt:FrameRateLimit><tt:BitrateLimit>4096</tt:BitrateLimit></tt:RateControl><tt:Quality>4</tt:Quality></tr2:VideoEncoder></tr2:Configurations></tr2:Profiles>`,
				esc(s.Token), esc(s.Name), source("tr2:VideoSource"), s.Codec, s.Width, s.Height)
		}
		return `<tr2:GetProfilesResponse>` + b.String() + `</tr2:GetProfilesResponse>`
	case "GetStreamUri":
		if s, ok := d.stream(q.profile); ok && (q.protocol == "RTSP" || q.protocol == "RtspUnicast") {
			return `<tr2:GetStreamUriResponse><tr2:Uri>` + esc(d.url(s)) + `</tr2:Uri></tr2:GetStreamUriResponse>`
		}
	}
	return ""
}
