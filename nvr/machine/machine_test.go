package machine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// kernel writes files as the kernel has them. A value that begins with -> is a link.
func kernel(t *testing.T, files map[string]string) Machine {
	t.Helper()
	root := t.TempDir()
	for name, value := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		var err error
		if len(value) > 2 && value[:2] == "->" {
			err = os.Symlink(value[2:], path)
		} else {
			err = os.WriteFile(path, []byte(value), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return Machine{
		Root: root, Stat: func(string) (uint32, uint32, error) { return 8, 1, nil },
		SMART: func(context.Context, string) ([]byte, error) { return nil, errNoProgram },
	}
}

func TestFigures(t *testing.T) {
	f := kernel(t, map[string]string{
		"proc/loadavg":                         "0.50 1.25 2.00 3/200 4711\n",
		"proc/meminfo":                         "MemTotal:        2048 kB\nMemFree:  1 kB\nMemAvailable:    1024 kB\n",
		"proc/self/status":                     "Name:\tcardea\nVmRSS:\t     512 kB\n",
		"sys/class/thermal/thermal_zone0/temp": "48250\n",
		"sys/class/thermal/thermal_zone1/temp": "-127000\n",
		"sys/class/thermal/thermal_zone2/temp": "51500\n",
		"sys/class/thermal/thermal_zone3/temp": "none\n",
	}).Figures()
	if f.Load != [3]float64{0.5, 1.25, 2} || f.CPUs < 1 || f.Memory != 2<<20 || f.Available != 1<<20 || f.Own != 512<<10 || f.Celsius == nil || *f.Celsius != 51.5 {
		t.Errorf("figures %+v", f)
	}
	if f := kernel(t, nil).Figures(); f.Memory != 0 || f.Own != 0 || f.Celsius != nil || f.Load != [3]float64{} {
		t.Errorf("a kernel that tells nothing: %+v", f)
	}
	if real := (Machine{}).Figures(); real.Memory < 1<<20 || real.Own < 1<<20 || real.Available > real.Memory {
		t.Errorf("this machine: %+v", real)
	}
}

func TestLayers(t *testing.T) {
	bare := kernel(t, map[string]string{
		"proc/self/status":                "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\nNoNewPrivs:\t0\nSeccomp:\t0\n",
		"proc/self/limits":                "Limit                     Soft Limit           Hard Limit           Units\nMax core file size        unlimited            unlimited            bytes\n",
		"proc/self/attr/apparmor/current": "unconfined\n",
	}).Layers()
	if want := (Layers{Known: true, Root: true, Capabilities: true, CoreDumps: true}); bare != want {
		t.Errorf("nothing: %+v", bare)
	}
	fenced := kernel(t, map[string]string{
		"proc/self/status":                "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n",
		"proc/self/limits":                "Max core file size        0                    0                    bytes\n",
		"proc/self/attr/apparmor/current": "cardea (enforce)\n",
	}).Layers()
	if want := (Layers{Known: true, NoNewPrivileges: true, Seccomp: true, AppArmor: "cardea"}); fenced != want {
		t.Errorf("everything: %+v", fenced)
	}
	if l := kernel(t, nil).Layers(); l.Known {
		t.Errorf("a kernel that tells nothing: %+v", l)
	}
}

const root = "30 1 8:1 / / rw - ext4 /dev/sda1 rw\n"

// sata is a disk with one partition.
func sata(more map[string]string) map[string]string {
	files := map[string]string{
		"proc/self/mountinfo": root, "sys/dev/block/8:1": "->../../devices/ata1/block/sda/sda1",
		"sys/devices/ata1/block/sda/sda1/partition": "1", "sys/block/sda": "->../devices/ata1/block/sda",
		"sys/devices/ata1/block/sda/queue/rotational": "1\n", "sys/devices/ata1/block/sda/device/model": "WDC WD40EFRX   \n",
	}
	for name, value := range more {
		files[name] = value
	}
	return files
}

func TestDisk(t *testing.T) {
	for _, c := range []struct {
		what  string
		files map[string]string
		dir   string
		want  Disk
		worn  float64
	}{
		{"a turning disk", sata(nil), "/data", Disk{Device: "sda", Model: "WDC WD40EFRX", Kind: HDD, Filesystem: "ext4", State: Unreadable, Why: WhyProgram}, 0},
		{"an SSD", sata(map[string]string{"sys/devices/ata1/block/sda/queue/rotational": "0\n"}), "/", Disk{Device: "sda", Model: "WDC WD40EFRX", Kind: SSD, Filesystem: "ext4", State: Unreadable, Why: WhyProgram}, 0},
		{"a share", sata(map[string]string{"proc/self/mountinfo": root + "31 30 0:50 / /mnt/my\\040nas rw - nfs4 nas:/video rw\n"}), "/mnt/my nas/clips",
			Disk{Kind: Network, Filesystem: "nfs4", State: Unreadable, Why: WhyNetwork}, 0},
		{"beside the share", sata(map[string]string{"proc/self/mountinfo": root + "31 30 0:50 / /mnt/nas rw - nfs4 nas:/video rw\n"}), "/mnt/nasty",
			Disk{Device: "sda", Model: "WDC WD40EFRX", Kind: HDD, Filesystem: "ext4", State: Unreadable, Why: WhyProgram}, 0},
		{"an encrypted volume", sata(map[string]string{
			"sys/dev/block/8:1": "->../../devices/virtual/block/dm-0", "sys/devices/virtual/block/dm-0/slaves/sda1": "->../../../../ata1/block/sda/sda1",
		}), "/", Disk{Device: "sda", Model: "WDC WD40EFRX", Kind: HDD, Filesystem: "ext4", State: Unreadable, Why: WhyProgram}, 0},
		{"an eMMC", map[string]string{
			"proc/self/mountinfo": root, "sys/dev/block/8:1": "->../../devices/mmc/block/mmcblk0", "sys/block/mmcblk0": "->../devices/mmc/block/mmcblk0",
			"sys/devices/mmc/block/mmcblk0/device/name": "DA4064\n", "sys/devices/mmc/block/mmcblk0/device/life_time": "0x02 0x09\n", "sys/devices/mmc/block/mmcblk0/device/pre_eol_info": "0x01\n",
		}, "/", Disk{Device: "mmcblk0", Model: "DA4064", Kind: Card, Filesystem: "ext4", State: Worn, Source: "sysfs"}, 90},
		{"an SD card", map[string]string{
			"proc/self/mountinfo": root, "sys/dev/block/8:1": "->../../devices/mmc/block/mmcblk0", "sys/block/mmcblk0": "->../devices/mmc/block/mmcblk0",
			"sys/devices/mmc/block/mmcblk0/device/name": "SC64G\n",
		}, "/", Disk{Device: "mmcblk0", Model: "SC64G", Kind: Card, Filesystem: "ext4", State: Unreadable, Why: WhySilent}, 0},
		{"a virtual disk", map[string]string{
			"proc/self/mountinfo": root, "sys/dev/block/8:1": "->../../devices/virtio/block/vda", "sys/devices/virtio/block/vda/size": "1",
		}, "/", Disk{Device: "vda", Kind: Virtual, Filesystem: "ext4", State: Unreadable, Why: WhyVirtual}, 0},
		{"a container", map[string]string{"proc/self/mountinfo": "30 1 0:40 / / rw - overlay overlay rw\n"}, "/data", Disk{Kind: Unknown, Filesystem: "overlay", State: Unreadable, Why: WhyVirtual}, 0},
		{"nothing", nil, "/data", Disk{Kind: Unknown, State: Unreadable, Why: WhyVirtual}, 0},
	} {
		got := kernel(t, c.files).Disk(t.Context(), c.dir)
		if (got.Worn == nil) != (c.worn == 0) || got.Worn != nil && *got.Worn != c.worn {
			t.Errorf("%s: worn %v", c.what, got.Worn)
		}
		got.Worn = nil
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.what, got, c.want)
		}
	}
	// Btrfs has no number of a disk; its mount names it.
	m := kernel(t, sata(map[string]string{"proc/self/mountinfo": "30 1 0:33 /@ / rw - btrfs /dev/sda1 rw\n", "sys/class/block/sda1": "->../../devices/ata1/block/sda/sda1"}))
	m.Stat = func(string) (uint32, uint32, error) { return 0, 33, nil }
	if d := m.Disk(t.Context(), "/x"); d.Device != "sda" || d.Filesystem != "btrfs" {
		t.Errorf("btrfs: %+v", d)
	}
	if d := (Machine{}).Disk(t.Context(), t.TempDir()); d.State == "" || d.Kind == "" {
		t.Errorf("this machine: %+v", d)
	}
}

func TestLifeTime(t *testing.T) {
	for _, c := range []struct {
		life, reserve string
		want          State
	}{
		{"0x01 0x01", "0x01", Good}, {"0x08 0x01", "0x01", Good}, {"0x09 0x01", "", Worn}, {"0x01 0x0b", "0x01", Fails}, {"0x01 0x01", "0x02", Worn},
		{"0x01 0x01", "0x03", Fails}, {"0x00 0x00", "0x00", Unreadable}, {"", "", Unreadable}, {"0xff", "", Unreadable}, {"rubbish 0x", "", Unreadable},
	} {
		d := Disk{State: Unreadable}
		if d.lifeTime(c.life, c.reserve); d.State != c.want {
			t.Errorf("%q %q: %s, want %s", c.life, c.reserve, d.State, c.want)
		}
	}
}

func TestSMART(t *testing.T) {
	for _, c := range []struct {
		file, what string
		want       State
		why        string
	}{
		{"ata", "a disk in good health", Good, ""},
		{"ata-pending", "a disk with sectors it cannot read", Worn, ""},
		{"ata-failed", "a disk that says that it fails", Fails, ""},
		{"nvme", "an NVMe", Good, ""},
		{"nvme-worn", "an NVMe near its end", Worn, ""},
		{"nvme-spent", "an NVMe without spare blocks", Fails, ""},
		{"denied", "a disk that we may not ask", Unreadable, WhyPermission},
		{"usb", "a box that does not pass it on", Unreadable, WhySilent},
	} {
		m := kernel(t, sata(nil))
		m.SMART = func(context.Context, string) ([]byte, error) { return os.ReadFile("testdata/" + c.file + ".json") }
		d := m.Disk(t.Context(), "/")
		if d.State != c.want || d.Why != c.why || (d.Source == "smartctl") != (c.why == "") {
			t.Errorf("%s: %+v", c.what, d)
		}
		if c.file == "ata" && (*d.Hours != 20131 || *d.Celsius != 34 || *d.Reallocated != 0 || d.Model != "WDC WD40EFRX-68N32N0") {
			t.Errorf("%s: %+v", c.what, d)
		}
		if c.file == "nvme" && (*d.Worn != 3 || *d.Celsius != 41 || *d.Lost != 0) {
			t.Errorf("%s: %+v", c.what, d)
		}
	}
	m := kernel(t, sata(nil))
	m.SMART = func(context.Context, string) ([]byte, error) { return nil, errors.New("it hangs") }
	if d := m.Disk(t.Context(), "/"); d.State != Unreadable || d.Why != WhySilent {
		t.Errorf("a disk that does not answer: %+v", d)
	}
}

func FuzzSMART(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseSMART(data)
		if err != nil {
			return
		}
		var d Disk
		if d.read(r); d.State != Good && d.State != Worn && d.State != Fails {
			t.Errorf("state %q", d.State)
		}
	})
}
