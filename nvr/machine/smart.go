package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

var errNoProgram = errors.New("smartctl is not installed")

// smartPatience is how long a disk may take to answer.
const smartPatience = 10 * time.Second

// smart asks a disk. One that sleeps is not woken: it says nothing then.
func (m Machine) smart(ctx context.Context, device string) (report, error) {
	ask := m.SMART
	if ask == nil {
		ask = smartctl
	}
	out, err := ask(ctx, device)
	if err != nil {
		return report{}, err
	}
	return parseSMART(out)
}

// smartctl runs the program of smartmontools. Its exit status is a set of bits, most of them about the disk's health, which stands in
// the output as well (smartctl(8), EXIT STATUS).
func smartctl(ctx context.Context, device string) ([]byte, error) {
	program := ""
	for _, path := range []string{"/usr/sbin/smartctl", "/usr/local/sbin/smartctl", "/sbin/smartctl", "/usr/bin/smartctl"} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			program = path
			break
		}
	}
	if program == "" {
		return nil, errNoProgram
	}
	ctx, cancel := context.WithTimeout(ctx, smartPatience)
	defer cancel()
	command := exec.CommandContext(ctx, program, "--json=c", "--nocheck=standby", "--info", "--health", "--attributes", device)
	command.Env = []string{"LC_ALL=C"}
	out, err := command.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, fmt.Errorf("run smartctl: %w", err)
	}
	return out, nil
}

// report is what we read of smartctl's JSON.
type report struct {
	Smartctl struct {
		Messages []struct{ String string }
	}
	ModelName   string `json:"model_name"`
	SmartStatus *struct {
		Passed bool
	} `json:"smart_status"`
	Temperature *struct{ Current float64 }
	PowerOnTime *struct{ Hours int64 } `json:"power_on_time"`
	NVMe        *struct {
		PercentageUsed float64 `json:"percentage_used"`
		MediaErrors    int64   `json:"media_errors"`
		Spare          float64 `json:"available_spare"`
		Threshold      float64 `json:"available_spare_threshold"`
	} `json:"nvme_smart_health_information_log"`
	Endurance *struct {
		Percent float64 `json:"current_percent"`
	} `json:"endurance_used"`
	ATA *struct {
		Table []struct {
			ID  int
			Raw struct{ Value int64 }
		}
	} `json:"ata_smart_attributes"`
}

// parseSMART reads what smartctl printed. os.ErrPermission where it may not ask the disk.
func parseSMART(out []byte) (r report, err error) {
	if err := json.Unmarshal(out, &r); err != nil {
		return report{}, fmt.Errorf("read the answer of smartctl: %w", err)
	}
	for _, message := range r.Smartctl.Messages {
		if strings.Contains(message.String, "Permission denied") || strings.Contains(message.String, "Operation not permitted") {
			return report{}, os.ErrPermission
		}
	}
	if r.SmartStatus == nil {
		return report{}, errors.New("the disk does not say how it is")
	}
	return r, nil
}

// The attributes of ATA disks that mean the same with all makers.
const (
	attributeReallocated = 5
	attributePending     = 197
	attributeLost        = 198
)

// worn is the share of its life, in percent, from which on a disk is to be replaced.
const worn = 90

// read takes what a disk says of itself.
func (d *Disk) read(r report) {
	d.Source, d.Why = "smartctl", ""
	if r.ModelName != "" {
		d.Model = r.ModelName
	}
	if r.Temperature != nil && r.Temperature.Current > 0 {
		d.Celsius = &r.Temperature.Current
	}
	if r.PowerOnTime != nil && r.PowerOnTime.Hours >= 0 {
		d.Hours = &r.PowerOnTime.Hours
	}
	if r.Endurance != nil {
		d.Worn = &r.Endurance.Percent
	}
	spent := false
	if n := r.NVMe; n != nil {
		d.Worn, d.Lost = &n.PercentageUsed, &n.MediaErrors
		spent = n.Threshold > 0 && n.Spare < n.Threshold
	}
	if r.ATA != nil {
		for _, a := range r.ATA.Table {
			value := a.Raw.Value & 0xffffffff // makers put other things above
			switch a.ID {
			case attributeReallocated:
				d.Reallocated = &value
			case attributePending:
				d.Pending = &value
			case attributeLost:
				d.Lost = &value
			}
		}
	}
	some := func(n *int64) bool { return n != nil && *n > 0 }
	switch {
	case !r.SmartStatus.Passed || spent:
		d.State = Fails
	case some(d.Pending), some(d.Lost), some(d.Reallocated), d.Worn != nil && *d.Worn >= worn:
		d.State = Worn
	default:
		d.State = Good
	}
}
