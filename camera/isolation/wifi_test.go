package isolation

import (
	"context"
	"errors"
	"testing"
)

// tools answers as the programs do.
func tools(answers map[string]string) WifiSource {
	return func(_ context.Context, name string, args ...string) (string, error) {
		if name == "iw" {
			name += " " + args[2]
		}
		if text, ok := answers[name]; ok {
			return text, nil
		}
		return "", errors.New("not found")
	}
}

const iwLink = "Connected to 02:00:00:00:00:01 (on wlan0)\n\tSSID: Home net\n\tfreq: 5180\n"

func TestWifi(t *testing.T) {
	for name, c := range map[string]struct {
		answers map[string]string
		want    Wifi
	}{
		"nobody tells":      {nil, Wifi{}},
		"NetworkManager":    {map[string]string{"nmcli": " :Other:WPA2\n*:My\\:net:WPA2 WPA3\n"}, Wifi{"", "My:net", "WPA2", "NetworkManager"}},
		"NetworkManager 3":  {map[string]string{"nmcli": "*:Net:WPA3\n"}, Wifi{"", "Net", "WPA3", "NetworkManager"}},
		"NetworkManager 1":  {map[string]string{"nmcli": "*:Net:WPA1 WPA2\n"}, Wifi{"", "Net", "WPA", "NetworkManager"}},
		"NetworkManager 0":  {map[string]string{"nmcli": "*:Net:\n"}, Wifi{"", "Net", "open", "NetworkManager"}},
		"not joined":        {map[string]string{"nmcli": " :Net:WPA2\n", "iw link": "Not connected.\n"}, Wifi{}},
		"supplicant":        {map[string]string{"wpa_cli": "ssid=Net\npairwise_cipher=CCMP\nkey_mgmt=WPA2-PSK\nwpa_state=COMPLETED\n"}, Wifi{"", "Net", "WPA2", "wpa_supplicant"}},
		"supplicant SAE":    {map[string]string{"wpa_cli": "ssid=Net\nkey_mgmt=SAE\nwpa_state=COMPLETED\n"}, Wifi{"", "Net", "WPA3", "wpa_supplicant"}},
		"supplicant WEP":    {map[string]string{"wpa_cli": "ssid=Net\npairwise_cipher=WEP-104\nkey_mgmt=NONE\nwpa_state=COMPLETED\n"}, Wifi{"", "Net", "WEP", "wpa_supplicant"}},
		"supplicant open":   {map[string]string{"wpa_cli": "ssid=Net\npairwise_cipher=NONE\nkey_mgmt=NONE\nwpa_state=COMPLETED\n"}, Wifi{"", "Net", "open", "wpa_supplicant"}},
		"iw without a scan": {map[string]string{"iw link": iwLink}, Wifi{"", "Home net", "", "iw"}},
		"iw": {map[string]string{
			"iw link": iwLink,
			"iw scan": "BSS 02:00:00:00:00:09(on wlan0)\n\tSSID: Other\nBSS 02:00:00:00:00:01(on wlan0) -- associated\n\tcapability: ESS Privacy\n\tRSN:\t * Version: 1\n\t\t * Authentication suites: PSK SAE\n",
		}, Wifi{"", "Home net", "WPA2", "iw"}},
		"iw open": {map[string]string{"iw link": iwLink, "iw scan": "BSS 02:00:00:00:00:01(on wlan0)\n\tcapability: ESS\n"}, Wifi{"", "Home net", "open", "iw"}},
		"iw WEP":  {map[string]string{"iw link": iwLink, "iw scan": "BSS 02:00:00:00:00:01(on wlan0)\n\tcapability: ESS Privacy\n"}, Wifi{"", "Home net", "WEP", "iw"}},
	} {
		c.want.Interface = "wlan0"
		got := lookWifi(t.Context(), tools(c.answers), "wlan0")
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		if f := aboutWifi(got); (f.Level == Bad) != got.Weak() || f.Detail == "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestParseListener(t *testing.T) {
	for line, want := range map[string]uint16{
		"   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1":   8080,
		"   1: 0100007F:0016 00000000:0000 0A 00000000:00000000":                                           0, // loopback
		"   2: 00000000:0016 00000000:0000 01 00000000:00000000":                                           0, // a connection
		"   3: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A":             80,
		"   4: 00000000000000000000000001000000:0051 00000000000000000000000000000000:0000 0A":             0,
		"   5: 0000000000000000FFFF00000100007F:0052 00000000000000000000000000000000:0000 0A":             0,
		"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode": 0, "": 0, "0: zz:1 b 0A": 0,
	} {
		if got, ok := parseListener(line); got != want && ok || ok != (want != 0) {
			t.Errorf("%q: %d %v", line, got, ok)
		}
	}
}
