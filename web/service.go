package web

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"cardea/store"
	"cardea/web/api"
	"cardea/web/caller"
)

// healthz answers as soon as the rests of the last run are settled, and tells nothing.
func (s *Server) healthz(c *fiber.Ctx) error {
	select {
	case <-s.cfg.NVR.Ready():
		return c.SendString("ok\n")
	default:
		return problem(fiber.StatusServiceUnavailable, "The NVR is starting.")
	}
}

// Authority is the certificate authority that browsers may be told to trust; auth/ca has one.
type Authority interface {
	api.Authority
	RootDER() []byte
	RootPEM() []byte
	// MobileConfig is a configuration profile for iOS that installs the root.
	MobileConfig() []byte
}

func caDER(a Authority) (string, []byte)     { return "cardea-ca.crt", a.RootDER() }
func caPEM(a Authority) (string, []byte)     { return "cardea-ca.pem", a.RootPEM() }
func caProfile(a Authority) (string, []byte) { return "cardea-ca.mobileconfig", a.MobileConfig() }

// mediaTypes of the downloads of the authority, by ending.
var mediaTypes = map[string]string{
	"crt": "application/x-x509-ca-cert", "pem": "application/x-pem-file", "mobileconfig": "application/x-apple-aspen-config",
}

// download answers with one form of the root certificate.
func (s *Server) download(form func(Authority) (name string, body []byte)) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if s.cfg.CA == nil {
			return fiber.ErrNotFound
		}
		name, body := form(s.cfg.CA)
		c.Set(fiber.HeaderContentType, mediaTypes[name[strings.LastIndexByte(name, '.')+1:]])
		c.Set(fiber.HeaderContentDisposition, `attachment; filename="`+name+`"`)
		c.Set(fiber.HeaderCacheControl, "no-cache")
		return c.Send(body)
	}
}

// replaceTorn takes a clip that `cardea clips salvage` made whole.
func (s *Server) replaceTorn(c *fiber.Ctx) error {
	id, err := store.ParseID(c.Params("id"))
	if err != nil {
		return err
	}
	var body io.Reader = c.Context().RequestBodyStream()
	if c.Context().RequestBodyStream() == nil {
		body = bytes.NewReader(c.Body())
	}
	if _, err := s.cfg.NVR.ReplaceTorn(c.UserContext(), caller.From(c.UserContext()).Actor(), id, body); err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

// metrics answers in the text format of Prometheus (version 0.0.4).
func (s *Server) metrics(c *fiber.Ctx) error {
	stats := s.cfg.NVR.Stats()
	health, err := s.cfg.NVR.Health(c.UserContext())
	if err != nil {
		return err
	}
	var b strings.Builder
	metric := func(name, kind, help string, v float64) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n%s %s\n", name, help, name, kind, name, strconv.FormatFloat(v, 'g', -1, 64))
	}
	metric("cardea_recorded_bytes_total", "counter", "Bytes of sealed clips written since the start.", float64(stats.Bytes))
	metric("cardea_recorded_parts_total", "counter", "Parts written since the start.", float64(stats.Parts))
	metric("cardea_recorded_clips_total", "counter", "Clips begun since the start.", float64(stats.Clips))
	metric("cardea_recorder_dropped_frames_total", "counter", "Frames that the disk was too slow for since the start.", float64(stats.Dropped))
	metric("cardea_recorder_errors_total", "counter", "Clips given up since the start.", float64(stats.Errors))
	metric("cardea_disk_free_bytes", "gauge", "Free bytes on the disk of the clips.", float64(health.Disk.Free))
	metric("cardea_disk_bytes", "gauge", "Size of the disk of the clips.", float64(health.Disk.Total))
	metric("cardea_alarms", "gauge", "Alarms in force.", float64(len(health.Alarms)))
	metric("cardea_uptime_seconds", "gauge", "Seconds since the program started.", s.cfg.Now().Sub(s.started).Seconds())
	metric("cardea_goroutines", "gauge", "Goroutines.", float64(runtime.NumGoroutine()))
	metric("process_resident_memory_bytes", "gauge", "Resident memory.", float64(residentBytes()))
	b.WriteString("# HELP cardea_cameras Cameras by phase.\n# TYPE cardea_cameras gauge\n")
	phases := make([]string, 0, len(stats.Cameras))
	for phase := range stats.Cameras {
		phases = append(phases, phase)
	}
	sort.Strings(phases)
	for _, phase := range phases {
		fmt.Fprintf(&b, "cardea_cameras{phase=%q} %d\n", phase, stats.Cameras[phase])
	}
	c.Set(fiber.HeaderContentType, "text/plain; version=0.0.4; charset=utf-8")
	return c.SendString(b.String())
}

// residentBytes reads the second field of /proc/self/statm, pages (proc_pid_statm(5)); 0 where there is none.
func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// claimURL is where a token claims the NVR; the token stands behind the # and reaches no log.
func (s *Server) claimURL(token string) string { return s.cfg.BaseURL() + "/claim#" + token }
