package auth

import (
	"strings"
	"testing"
	"time"
)

// TestAttack35 is the first half of attack case 35: a thousand pairs that devices of this kind are delivered with open neither a new box nor
// one with an owner. The other half, that the program and a new data directory hold no credential, is test: TestAttack35.
func TestAttack35(t *testing.T) {
	t.Parallel()
	names := strings.Fields(`admin administrator root user guest service support supervisor operator viewer default owner cardea nvr dvr camera
		cam ubnt pi homeassistant hass mqtt frigate hikvision dahua axis reolink amcrest onvif system sysadmin tech test demo 666666 888888 Anna anonymous`)
	passwords := []string{
		"", "admin", "administrator", "root", "password", "Password1!", "1234", "12345", "123456", "12345678", "123456789", "888888", "666666", "111111", "pass", "guest", "user", "default",
		"ubnt", "raspberry", "system", "service", "supervisor", "changeme", "cardea", "camera", "nvr", "hikvision", "dahua", "7ujMko0admin", "xc3511", "vizxv", "jvbzd", "anko", "juantech", "tlJwpbo6", "meinsm", "ikwb",
	}
	lenient := func(c *Config) {
		c.Account = Policy{Free: 10_000, First: time.Second, Max: time.Minute, Forget: time.Hour}
		c.Address = c.Account
		c.Hash.MemoryKiB = 8
	}
	b := newBox(t, lenient)
	tried := 0
	try := func(code string) {
		for _, name := range names {
			for _, password := range append(passwords, name) {
				_, err := b.SignIn(t.Context(), Credentials{Name: name, Password: password, Code: code}, home)
				want(t, err, Denied)
				tried++
			}
		}
	}
	try("000000") // nobody has claimed the box
	if users := mustUsers(t, b); len(users) != 0 {
		t.Errorf("a new box has accounts: %+v", users)
	}
	e := b.owner()
	try(b.code(e)) // even with the right second factor
	if tried < 2*1000 {
		t.Errorf("only %d tries", tried)
	}
	if list, err := b.Sessions(t.Context(), mustUsers(t, b)[0].ID); err != nil || len(list) != 0 {
		t.Errorf("sessions %+v, %v", list, err)
	}
}
