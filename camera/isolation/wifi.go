package isolation

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Wifi is what this machine knows of one of its wireless connections.
type Wifi struct {
	Interface, SSID string
	// Security is WPA3, WPA2, WPA, WEP or open; empty where the system does not tell.
	Security string
	// Source names who told.
	Source string
}

// Weak says that the radio link protects nothing to speak of. An unknown one is not called weak.
func (w Wifi) Weak() bool { return w.Security == "open" || w.Security == "WEP" || w.Security == "WPA" }

// WifiSource runs a program and gives what it prints; tests have their own.
type WifiSource func(ctx context.Context, name string, args ...string) (string, error)

// LookWifi asks about each wireless interface, as well as the system tells: NetworkManager, wpa_supplicant, or iw. It changes
// nothing and waits a few seconds at most.
func LookWifi(ctx context.Context, run WifiSource) []Wifi {
	if run == nil {
		run = runTool
	}
	found, _ := filepath.Glob("/sys/class/net/*/wireless") // the pattern is a constant
	more, _ := filepath.Glob("/sys/class/net/*/phy80211")
	seen := map[string]bool{}
	var list []Wifi
	for _, path := range append(found, more...) {
		name := filepath.Base(filepath.Dir(path))
		if seen[name] {
			continue
		}
		seen[name] = true
		if state, err := os.ReadFile(filepath.Join("/sys/class/net", name, "operstate")); err == nil && strings.TrimSpace(string(state)) == "down" {
			continue
		}
		list = append(list, lookWifi(ctx, run, name))
	}
	return list
}

func lookWifi(ctx context.Context, run WifiSource, name string) Wifi {
	for _, ask := range []func(context.Context, WifiSource, string) (Wifi, bool){askNetworkManager, askSupplicant, askIW} {
		if w, ok := ask(ctx, run, name); ok {
			return w
		}
	}
	return Wifi{Interface: name}
}

func runTool(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	return string(out), err
}

// askNetworkManager reads the terse form of nmcli, in which \: stands for a colon.
func askNetworkManager(ctx context.Context, run WifiSource, name string) (Wifi, bool) {
	text, err := run(ctx, "nmcli", "-t", "-f", "IN-USE,SSID,SECURITY", "device", "wifi", "list", "ifname", name, "--rescan", "no")
	if err != nil {
		return Wifi{}, false
	}
	for line := range strings.SplitSeq(text, "\n") {
		fields := strings.Split(strings.ReplaceAll(line, `\:`, "\x00"), ":")
		if len(fields) != 3 || fields[0] != "*" {
			continue
		}
		return Wifi{Interface: name, SSID: strings.ReplaceAll(fields[1], "\x00", ":"), Security: fromNetworkManager(fields[2]), Source: "NetworkManager"}, true
	}
	return Wifi{}, false
}

// fromNetworkManager judges by the weakest that the network takes: somebody who attacks would choose that.
func fromNetworkManager(words string) string {
	has := func(w string) bool { return strings.Contains(" "+words+" ", " "+w+" ") }
	switch {
	case strings.TrimSpace(words) == "" || words == "--":
		return "open"
	case has("WEP"):
		return "WEP"
	case has("WPA1"):
		return "WPA"
	case has("WPA2"):
		return "WPA2"
	case has("WPA3"):
		return "WPA3"
	}
	return ""
}

// askSupplicant reads `wpa_cli status`: key=value lines.
func askSupplicant(ctx context.Context, run WifiSource, name string) (Wifi, bool) {
	text, err := run(ctx, "wpa_cli", "-i", name, "status")
	if err != nil {
		return Wifi{}, false
	}
	v := map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		if key, value, ok := strings.Cut(line, "="); ok {
			v[key] = strings.TrimSpace(value)
		}
	}
	if v["wpa_state"] != "COMPLETED" {
		return Wifi{}, false
	}
	w := Wifi{Interface: name, SSID: v["ssid"], Source: "wpa_supplicant"}
	switch key := v["key_mgmt"]; {
	case strings.HasPrefix(key, "SAE"), strings.HasPrefix(key, "FT-SAE"), strings.Contains(key, "SUITE-B"), key == "OWE":
		w.Security = "WPA3"
	case strings.HasPrefix(key, "WPA2"), strings.HasPrefix(key, "FT"):
		w.Security = "WPA2"
	case strings.HasPrefix(key, "WPA"):
		w.Security = "WPA"
	case key == "NONE" && strings.HasPrefix(v["pairwise_cipher"], "WEP"):
		w.Security = "WEP"
	case key == "NONE":
		w.Security = "open"
	}
	return w, true
}

// askIW finds the network that the interface is joined to in the results of the last scan of iw(8).
func askIW(ctx context.Context, run WifiSource, name string) (Wifi, bool) {
	link, err := run(ctx, "iw", "dev", name, "link")
	if err != nil || !strings.HasPrefix(link, "Connected to ") {
		return Wifi{}, false
	}
	bssid := strings.Fields(link)[2]
	w := Wifi{Interface: name, Source: "iw"}
	for line := range strings.SplitSeq(link, "\n") {
		if ssid, ok := strings.CutPrefix(strings.TrimSpace(line), "SSID: "); ok {
			w.SSID = ssid
		}
	}
	scan, err := run(ctx, "iw", "dev", name, "scan", "dump")
	if err != nil {
		return w, true
	}
	for block := range strings.SplitSeq("\n"+scan, "\nBSS ") {
		if strings.HasPrefix(block, bssid) {
			w.Security = fromIW(block)
		}
	}
	return w, true
}

func fromIW(block string) string {
	rsn := strings.Contains(block, "\tRSN:")
	switch {
	case strings.Contains(block, "\tWPA:"):
		return "WPA" // WPA of 2003 is offered, whatever else is
	case rsn && strings.Contains(block, "PSK") || rsn && strings.Contains(block, "IEEE 802.1X"):
		return "WPA2"
	case rsn && (strings.Contains(block, "SAE") || strings.Contains(block, "OWE")):
		return "WPA3"
	case rsn:
		return "WPA2"
	case strings.Contains(block, "Privacy"):
		return "WEP"
	}
	return "open"
}
