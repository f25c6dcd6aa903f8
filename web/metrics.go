package web

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"cardea/nvr"
	"cardea/web/caller"
)

// page is a page of figures in Prometheus's text format, version 0.0.4.
type page struct{ strings.Builder }

// one writes a figure without labels.
func (p *page) one(name, kind, help string, v float64) {
	p.head(name, kind, help)
	p.line(name, v)
}

func (p *page) head(name, kind, help string) {
	fmt.Fprintf(p, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func (p *page) line(name string, v float64) {
	fmt.Fprintf(p, "%s %s\n", name, strconv.FormatFloat(v, 'g', -1, 64))
}

// metrics answers GET /metrics. Cameras are labelled by id, because a name may be private and may change.
func (s *Server) metrics(c *fiber.Ctx) error {
	health, err := s.cfg.NVR.Health(c.UserContext())
	if err != nil {
		return err
	}
	cameras, err := s.cfg.NVR.Cameras(c.UserContext())
	if err != nil {
		return err
	}
	who := caller.From(c.UserContext())
	cameras = slices.DeleteFunc(cameras, func(cam nvr.CameraStatus) bool { return !who.Sees(cam.Camera.ID) })
	stats := s.cfg.NVR.Stats()
	var p page
	p.one("cardea_recorded_bytes_total", "counter", "Bytes of sealed clips written since the start.", float64(stats.Bytes))
	p.one("cardea_recorded_parts_total", "counter", "Parts written since the start.", float64(stats.Parts))
	p.one("cardea_recorded_clips_total", "counter", "Clips begun since the start.", float64(stats.Clips))
	p.one("cardea_recorder_dropped_frames_total", "counter", "Frames that the disk was too slow for since the start.", float64(stats.Dropped))
	p.one("cardea_recorder_errors_total", "counter", "Clips given up since the start.", float64(stats.Errors))
	p.one("cardea_disk_free_bytes", "gauge", "Free bytes on the disk of the clips.", float64(health.Disk.Free))
	p.one("cardea_disk_bytes", "gauge", "Size of the disk of the clips.", float64(health.Disk.Total))
	p.one("cardea_alarms", "gauge", "Alarms in force.", float64(len(health.Alarms)))
	p.one("cardea_live_sockets", "gauge", "Browsers that watch live.", float64(s.playback.Sockets()))
	p.one("cardea_uptime_seconds", "gauge", "Seconds since the program started.", s.cfg.Now().Sub(s.started).Seconds())
	p.one("cardea_goroutines", "gauge", "Goroutines.", float64(runtime.NumGoroutine()))
	p.one("process_resident_memory_bytes", "gauge", "Resident memory.", float64(residentBytes()))

	p.head("cardea_cameras", "gauge", "Cameras by phase.")
	for _, phase := range slices.Sorted(maps.Keys(stats.Cameras)) {
		p.line(fmt.Sprintf("cardea_cameras{phase=%q}", phase), float64(stats.Cameras[phase]))
	}
	for _, m := range []struct {
		name, kind, help string
		of               func(nvr.CameraStatus) float64
	}{
		{"cardea_camera_fps", "gauge", "Pictures per second that arrive.", func(c nvr.CameraStatus) float64 { return c.Connection.FPS }},
		{"cardea_camera_bitrate", "gauge", "Bits per second that arrive.", func(c nvr.CameraStatus) float64 { return c.Connection.Bitrate }},
		{"cardea_camera_lost_packets_total", "counter", "Packets that did not arrive since the start.", func(c nvr.CameraStatus) float64 { return float64(c.Connection.Lost) }},
		{"cardea_camera_dropped_frames_total", "counter", "Frames that were not recorded since the start.", func(c nvr.CameraStatus) float64 { return float64(c.Connection.Dropped) }},
		{"cardea_camera_reconnects_total", "counter", "Sessions after the first since the start.", func(c nvr.CameraStatus) float64 { return float64(c.Connection.Reconnects) }},
		{"cardea_camera_clips", "gauge", "Clips in the index.", func(c nvr.CameraStatus) float64 { return float64(c.Usage.Clips) }},
		{"cardea_camera_clip_bytes", "gauge", "Bytes that its clips take up.", func(c nvr.CameraStatus) float64 { return float64(c.Usage.Bytes) }},
	} {
		p.head(m.name, m.kind, m.help)
		for _, cam := range cameras {
			p.line(fmt.Sprintf("%s{camera=%q}", m.name, cam.Camera.ID.String()), m.of(cam))
		}
	}
	c.Set(fiber.HeaderContentType, "text/plain; version=0.0.4; charset=utf-8")
	return c.SendString(p.String())
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
