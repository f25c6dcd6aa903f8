package auth

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	mathrand "math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestPasswordRules(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "short", "elevenchars", "password1234", "Password123!", "P@ssw0rd2024", "passwordpassword", "qwertyuiop123",
		"QWERTYUIOPASDF", "123456789012", "000000000000", "abcabcabcabc", "aaaaaaaaaaaab", "letmein123456", "letmeinletmein",
		"monkeydragon99", "iloveyou2023!", "administrator", "1q2w3e4r5t6y", "1qaz2wsx3edc", "abcdefghijkl", "lkjihgfedcba",
		"cardeacardea", "cardea123456", "AnnaMuster2024", "anna.muster.1", "7ujMko0admin", "7ujMko0vizxv!", "Mailcreated5240", "gfhjkm123456", "hikvision12345", "zxcvbnm.lkjhgf1", "dragon-dragon-dragon", strings.Repeat("x", 2000), "caf\xe9 is not text",
	} {
		if err := checkPassword("Anna Muster", bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	for _, good := range []string{
		goodPassword, "correct horse battery staple 7", "Kaffee-um-halb-vier-im-Garten", "xK9#mQ2$vL7p", "наша дача у реки", "一二三四五六七八九十天地玄黄",
		"tuesday umbrella forty seven", "vQ8z1LrT0bWn", "83920174650183927465",
	} {
		if err := checkPassword("Anna Muster", good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "  ", "a:b", "a/b", "a\x00b", "\u202eanna", "a\nb", strings.Repeat("a", 65), "<b>", "an\u200bna", "\xff"} {
		if got, err := checkName(bad); err == nil {
			t.Errorf("%q is accepted as %q", bad, got)
		}
	}
	for in, out := range map[string]string{" Anna ": "Anna", "Zoë": "Zoë", "Zoe\u0308": "Zoë", "O'Neil": "O'Neil", "a@example.org": "a@example.org", "李": "李"} {
		if got, err := checkName(in); err != nil || got != out {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	var h hasher
	ok(t, h.init(Argon2{MemoryKiB: 64, Passes: 1, Lanes: 1}, 1, rand.Reader))
	ctx := context.Background()
	one, err := h.make(ctx, "Zoë sings at noon")
	ok(t, err)
	two, err := h.make(ctx, "Zoë sings at noon")
	ok(t, err)
	if one == two || !strings.HasPrefix(one, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("%s %s", one, two)
	}
	for password, fits := range map[string]bool{"Zoë sings at noon": true, "Zoe\u0308 sings at noon": true, "Zoe sings at noon": false, "": false} {
		if got, err := h.verify(ctx, one, password); err != nil || got != fits {
			t.Errorf("%q: %v %v", password, got, err)
		}
	}
	// An unknown name: nothing fits the dummy, not even what it was made of.
	for _, password := range []string{"", "x", h.dummy} {
		if got, err := h.verify(ctx, "", password); err != nil || got {
			t.Errorf("the dummy let %q in: %v", password, err)
		}
	}
	// A hash made with another cost, by the reference implementation `argon2`, still fits.
	const reference = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if got, err := h.verify(ctx, reference, "password"); err != nil || !got {
		t.Errorf("reference hash: %v %v", got, err)
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	order := []Role{Viewer, Member, Owner}
	for i, have := range order {
		for j, need := range order {
			if have.Allows(need) != (i >= j) {
				t.Errorf("%s allows %s: %v", have, need, have.Allows(need))
			}
		}
	}
	for _, odd := range []Role{"", "admin", "OWNER"} {
		if odd.Allows(Viewer) || odd.Allows(odd) || Owner.Allows(odd) {
			t.Errorf("%q counts as a role", odd)
		}
	}
}

// TestStep checks against RFC 6238 appendix B, whose eight digits end in the six of ours.
func TestStep(t *testing.T) {
	t.Parallel()
	seed := []byte("12345678901234567890")
	for secs, digits := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		at, fits, err := step(seed, digits, time.Unix(secs, 0))
		if err != nil || !fits || at != secs/30 {
			t.Errorf("%d: %d %v %v", secs, at, fits, err)
		}
	}
}

func FuzzParse32(f *testing.F) {
	f.Add("ABCD-EFGH-IJKL-MNOP-QRST-UVWX")
	f.Add("aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa")
	f.Add("=\n\r\t-")
	f.Add("ſſſſ") // upper case of a long s is an S
	f.Fuzz(func(t *testing.T, s string) {
		for _, n := range []int{recoveryBytes, claimBytes} {
			b, ok := parse32(s, n)
			if !ok {
				continue
			}
			if len(b) != n {
				t.Fatalf("%q: %d bytes", s, len(b))
			}
			again, ok := parse32(plain32.EncodeToString(b), n)
			if !ok || !bytes.Equal(again, b) {
				t.Fatalf("%q does not come back", s)
			}
		}
	})
}

func FuzzParseCode(f *testing.F) {
	f.Add("123456")
	f.Add(" 123 456 ")
	f.Add("١٢٣٤٥٦") // digits, but not ours
	f.Add("ABCD-EFGH-IJKL-MNOP-QRST-UVWX")
	f.Fuzz(func(t *testing.T, s string) {
		c, ok := parseCode(s)
		if ok && (c.digits == "") == (c.recovery == nil) {
			t.Fatalf("%q is both or neither: %+v", s, c)
		}
		if ok && c.digits != "" && (len(c.digits) != 6 || strings.Trim(c.digits, "0123456789") != "") {
			t.Fatalf("%q: %q", s, c.digits)
		}
	})
}

func FuzzParseSession(f *testing.F) {
	f.Add(strings.Repeat("A", 43))
	f.Add(strings.Repeat("A", 42) + "B")
	f.Fuzz(func(t *testing.T, s string) {
		if hash, ok := parseSession(s); ok {
			b, err := base64.RawURLEncoding.DecodeString(s)
			if err != nil || base64.RawURLEncoding.EncodeToString(b) != s || len(hash) != 32 {
				t.Fatalf("%q has a second spelling", s)
			}
		}
	})
}

func FuzzParseToken(f *testing.F) {
	f.Add(tokenPrefix + strings.Repeat("A", 43))
	f.Add("cardea_")
	f.Add("Bearer x")
	f.Fuzz(func(t *testing.T, text string) {
		if hash, ok := parseToken(text); ok && (len(hash) != 32 || !strings.HasPrefix(text, tokenPrefix) || len(text) != len(tokenPrefix)+43) {
			t.Errorf("%q is a token", text)
		}
	})
}

func FuzzParsePrefix(f *testing.F) {
	f.Add("192.168.1.0/24")
	f.Add("fe80::1%eth0")
	f.Add("::ffff:10.0.0.1/120")
	f.Fuzz(func(t *testing.T, text string) {
		prefix, err := ParsePrefix(text)
		if err != nil {
			return
		}
		if again, err := ParsePrefix(prefix.String()); err != nil || again != prefix || prefix != prefix.Masked() {
			t.Errorf("%q is %v and then %v, %v", text, prefix, again, err)
		}
	})
}

func FuzzDecodeHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$$")
	f.Fuzz(func(t *testing.T, s string) {
		c, salt, key, err := decodeHash(s)
		if err == nil && (c.MemoryKiB > 1<<20 || c.Passes > 64 || c.Lanes == 0 || len(salt) < 8 || len(key) < 16) {
			t.Fatalf("%q: %+v", s, c)
		}
	})
}

func FuzzGuessable(f *testing.F) {
	f.Add("purple ladder", "Anna")
	f.Add("ааааааааааааааа", "")
	f.Fuzz(func(_ *testing.T, password, name string) {
		if len(password) < 4096 && len(name) < 4096 {
			guessable(password, name)
		}
	})
}

// TestLeaksRefuseNobodyElse: of passwords as a manager makes them, hardly any is taken for a leaked one. The generator has a seed, so that the
// figure is the same each time.
func TestLeaksRefuseNobodyElse(t *testing.T) {
	t.Parallel()
	const tries, letters = 30, "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789-_!"
	random := mathrand.New(mathrand.NewPCG(7, 7))
	refused, asked := 0, 0
	for range tries {
		b := make([]byte, 16)
		for i := range b {
			b[i] = letters[random.IntN(len(letters))]
		}
		asked += len(cores(strings.ToLower(string(b))))
		if checkPassword("Anna Muster", string(b)) != nil {
			refused++
		}
	}
	t.Logf("%d of %d refused, %.1f look-ups each", refused, tries, float64(asked)/tries)
	if refused != 0 || asked > 20*tries {
		t.Errorf("%d of %d refused, %d look-ups", refused, tries, asked)
	}
}
