package machine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Kind is what a disk is made of.
type Kind string

// The kinds.
const (
	HDD     Kind = "hdd"     // it turns
	SSD     Kind = "ssd"     // on SATA or USB
	NVMe    Kind = "nvme"    // on PCIe
	Card    Kind = "card"    // SD card or eMMC
	Virtual Kind = "virtual" // of a virtual machine: what it is really is hidden
	Network Kind = "network" // a share of another computer
	Unknown Kind = "unknown"
)

// State is how a disk is.
type State string

// The states of a disk.
const (
	Good  State = "good"
	Worn  State = "worn"  // near the end of what it was made for, or with first faults: replace it soon
	Fails State = "fails" // it says that it fails, or has lost data
	// Unreadable is a disk that tells nothing, or not to us: Why says why.
	Unreadable State = "unreadable"
)

// Why a disk's health is not readable.
const (
	WhyNetwork    = "network"    // the other computer has to be asked
	WhyVirtual    = "virtual"    // hidden by a virtual machine or a container
	WhyProgram    = "program"    // smartctl is not installed
	WhyPermission = "permission" // smartctl may not ask the disk
	WhySilent     = "silent"     // the disk does not tell
)

// Disk is the disk that a directory is on.
type Disk struct {
	// Device is its name, such as sda, "" where it cannot be told; Model is what its maker calls it.
	Device, Model string
	Kind          Kind
	// Filesystem is that of the directory, such as ext4.
	Filesystem string
	// State sums the rest up. Why says why it is Unreadable.
	State State
	Why   string
	// Source is where it is from: smartctl, sysfs or "".
	Source string
	// Celsius is how warm it is; Worn how much of its life is used, in percent and more than 100 when it is over; Hours how long it
	// has run; Reallocated, Pending and Lost are bad sectors replaced, waiting and unreadable. nil where it does not say.
	Celsius, Worn              *float64
	Hours                      *int64
	Reallocated, Pending, Lost *int64
}

// Disk finds the disk of a directory and asks how it is.
func (m Machine) Disk(ctx context.Context, dir string) Disk {
	d := Disk{Kind: Unknown, State: Unreadable, Why: WhyVirtual}
	mount := m.mount(dir)
	d.Filesystem = mount.filesystem
	if networked(mount.filesystem) {
		d.Kind, d.Why = Network, WhyNetwork
		return d
	}
	d.Device = m.device(dir, mount.source)
	if d.Device == "" {
		return d
	}
	at := "sys/block/" + d.Device + "/"
	d.Model = strings.TrimSpace(cmp.Or(m.text(at+"device/model"), m.text(at+"device/name")))
	d.Kind = m.kind(d.Device)
	if d.Kind == Virtual {
		return d
	}
	d.Celsius = cmp.Or(m.warmest(at+"device/hwmon/hwmon*/temp1_input"), m.warmest(at+"device/hwmon*/temp1_input"))
	if d.Kind == Card {
		d.Why = WhySilent
		d.lifeTime(m.text(at+"device/life_time"), m.text(at+"device/pre_eol_info"))
		return d
	}
	report, err := m.smart(ctx, "/dev/"+d.Device)
	switch {
	case errors.Is(err, errNoProgram):
		d.Why = WhyProgram
	case errors.Is(err, os.ErrPermission):
		d.Why = WhyPermission
	case err != nil:
		d.Why = WhySilent
	default:
		d.read(report)
	}
	return d
}

func networked(filesystem string) bool {
	switch strings.TrimPrefix(filesystem, "fuse.") {
	case "nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "sshfs", "ceph", "glusterfs":
		return true
	}
	return false
}

type mount struct{ filesystem, source string }

// mount finds the line of /proc/self/mountinfo (proc(5)) for a directory: the longest mount point above it, the last one of equals.
func (m Machine) mount(dir string) (found mount) {
	length := -1
	for line := range strings.Lines(m.text("proc/self/mountinfo")) {
		before, after, ok := strings.Cut(line, " - ")
		fields, rest := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(rest) < 2 {
			continue
		}
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(fields[4])
		if (dir == point || strings.HasPrefix(dir, strings.TrimSuffix(point, "/")+"/")) && len(point) >= length {
			length, found = len(point), mount{rest[0], rest[1]}
		}
	}
	return found
}

// device is the whole disk under a directory: that of the partition, of the encrypted or logical volume, or of the first disk of an array.
func (m Machine) device(dir, source string) string {
	stat := m.Stat
	if stat == nil {
		stat = deviceNumber
	}
	major, minor, err := stat(dir)
	if err != nil {
		return ""
	}
	link := m.path(fmt.Sprintf("sys/dev/block/%d:%d", major, minor))
	if major == 0 { // btrfs and others have numbers of their own; the mount says the disk
		link = m.path("sys/class/block/" + filepath.Base(source))
	}
	at, err := filepath.EvalSymlinks(link)
	if err != nil {
		return ""
	}
	for range 8 { // layers that may lie on each other
		if _, err := os.Stat(filepath.Join(at, "partition")); err == nil {
			at = filepath.Dir(at)
		}
		below, err := os.ReadDir(filepath.Join(at, "slaves"))
		if err != nil || len(below) == 0 {
			break
		}
		if at, err = filepath.EvalSymlinks(filepath.Join(at, "slaves", below[0].Name())); err != nil {
			return ""
		}
	}
	return filepath.Base(at)
}

func deviceNumber(dir string) (major, minor uint32, err error) {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return 0, 0, err
	}
	return unix.Major(st.Dev), unix.Minor(st.Dev), nil
}

func (m Machine) kind(device string) Kind {
	switch {
	case strings.HasPrefix(device, "nvme"):
		return NVMe
	case strings.HasPrefix(device, "mmcblk"):
		return Card
	case strings.HasPrefix(device, "sd"):
		if strings.TrimSpace(m.text("sys/block/"+device+"/queue/rotational")) == "1" {
			return HDD
		}
		return SSD
	}
	return Virtual // vd, xvd, loop, zram, ram, nbd
}

// lifeTime reads what JEDEC eMMC 5.0 (EXT_CSD 267 to 269) tells: how much of both kinds of memory is used in steps of ten
// percent, of which the greater counts, and whether the reserve is nearly gone. SD cards have no such register.
func (d *Disk) lifeTime(life, reserve string) {
	for _, word := range strings.Fields(life) {
		step, err := strconv.ParseUint(strings.TrimPrefix(word, "0x"), 16, 8)
		if err != nil || step == 0 || step > 11 {
			continue
		}
		if used := float64(step) * 10; d.Worn == nil || used > *d.Worn {
			d.Worn = &used
		}
	}
	if d.Worn == nil {
		return
	}
	d.Source, d.Why, d.State = "sysfs", "", Good
	switch urgent := strings.TrimSpace(reserve); {
	case *d.Worn > 100 || urgent == "0x03":
		d.State = Fails
	case *d.Worn >= 90 || urgent == "0x02":
		d.State = Worn
	}
}
