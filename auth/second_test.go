package auth

import (
	"encoding/json"
	"strings"
	"testing"

	"cardea/auth/softkey"
	"time"
)

var annas = Credentials{Name: "Anna", Password: goodPassword}

// both is Anna's name and password with the answer of her passkey.
func both(a Assertion) Credentials {
	c := annas
	c.Passkey = &a
	return c
}

// TestSecondFactor: a passkey takes the place of the code behind name and password, once.
func TestSecondFactor(t *testing.T) {
	t.Parallel()
	b, in, k := withPasskey(t)
	c, err := b.BeginSecondFactor(t.Context(), annas, passkeyHost, home)
	ok(t, err)
	var o struct {
		UserVerification string
		AllowCredentials []struct{ ID string }
	}
	ok(t, json.Unmarshal(c.Options, &o))
	if o.UserVerification != "required" || len(o.AllowCredentials) != 1 || o.AllowCredentials[0].ID != b64(k.ID) {
		t.Errorf("options %s", c.Options)
	}
	answer := k.get(c)
	again, err := b.SignIn(t.Context(), both(answer), home)
	ok(t, err)
	if again.User.ID != in.User.ID || again.Token == in.Token || again.RecoveryUsed || again.RecoveryLeft != 10 || !b.Fresh(again.Session) {
		t.Errorf("signed in %+v", again)
	}
	if _, _, err := b.Session(t.Context(), again.Token); err != nil {
		t.Error(err)
	}
	_, err = b.SignIn(t.Context(), both(answer), home)
	want(t, err, Denied)
}

// TestSecondFactorRefused: neither half opens anything without the other, and an answer fits what it was asked for only.
func TestSecondFactorRefused(t *testing.T) {
	t.Parallel()
	for name, try := range map[string]func(b *box, k *key) Credentials{
		"the password alone": func(*box, *key) Credentials { return annas },
		"a wrong password": func(b *box, k *key) Credentials {
			c := both(k.get(b.second()))
			c.Password = "not the one of Anna"
			return c
		},
		"an answer for another account": func(b *box, k *key) Credentials {
			_, _, err := b.Add(b.t.Context(), "Bert", goodPassword, Member)
			ok(b.t, err)
			c := both(k.get(b.second()))
			c.Name = "Bert"
			return c
		},
		"an answer of the sign-in without a name": func(b *box, k *key) Credentials {
			c, err := b.BeginPasskeySignIn(b.t.Context(), passkeyHost)
			ok(b.t, err)
			return both(k.get(c))
		},
		"another key": func(b *box, k *key) Credentials {
			k.Private = newKey(b.t, "").Private
			return both(k.get(b.second()))
		},
		"another origin": func(b *box, k *key) Credentials {
			k.Origin = "https://cardea.local.evil.example"
			return both(k.get(b.second()))
		},
		"person not seen": func(b *box, k *key) Credentials {
			k.Flags = softkey.Present
			return both(k.get(b.second()))
		},
		"counter runs back": func(b *box, k *key) Credentials {
			k.Count = 10
			_, err := b.SignIn(b.t.Context(), both(k.get(b.second())), home)
			ok(b.t, err)
			k.Count = 0
			return both(k.get(b.second()))
		},
		"too late": func(b *box, k *key) Credentials {
			c := b.second()
			b.clock.add(6 * time.Minute)
			return both(k.get(c))
		},
		"garbage": func(b *box, _ *key) Credentials {
			return both(Assertion{b.second().ID, json.RawMessage(`{"id":"x"}`)})
		},
		"no ceremony": func(b *box, k *key) Credentials {
			a := k.get(b.second())
			a.Ceremony = "x"
			return both(a)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, _, k := withPasskey(t)
			b.t = t
			_, err := b.SignIn(t.Context(), try(b, k), home)
			want(t, err, Denied)
		})
	}
}

func (b *box) second() Ceremony {
	b.t.Helper()
	c, err := b.BeginSecondFactor(b.t.Context(), annas, passkeyHost, home)
	ok(b.t, err)
	return c
}

// TestSecondFactorTellsNothing: who does not know the password learns neither who exists nor who has a passkey, and is delayed like at
// the sign-in; who does know it cannot wipe out the failures of others with this half of a sign-in.
func TestSecondFactorTellsNothing(t *testing.T) {
	t.Parallel()
	b, in, k := withPasskey(t)
	_, _, err := b.Add(t.Context(), "Bert", goodPassword, Member)
	ok(t, err)
	_, err = b.BeginSecondFactor(t.Context(), Credentials{Name: "Bert", Password: goodPassword}, passkeyHost, home)
	want(t, err, Conflict)
	_, err = b.BeginSecondFactor(t.Context(), annas, "192.168.1.5:8443", home)
	want(t, err, Conflict)
	said := map[string]bool{}
	for _, name := range []string{"Anna", "Bert", "Nobody"} {
		_, err := b.BeginSecondFactor(t.Context(), Credentials{Name: name, Password: "not the right one"}, passkeyHost, there)
		said[want(t, err, Denied).Message] = true
	}
	if len(said) != 1 {
		t.Errorf("said %v", said)
	}
	rows, err := b.db.Throttles(t.Context(), accountKey("Nobody"))
	ok(t, err)
	if len(rows) != 1 || rows[0].Fails != 1 {
		t.Errorf("counted %+v", rows)
	}
	for range 3 { // with the first one above that makes four: the delay begins
		_, err = b.BeginSecondFactor(t.Context(), annas, passkeyHost, there)
		ok(t, err)
		_, err = b.BeginSecondFactor(t.Context(), Credentials{Name: "Anna", Password: "not the right one"}, passkeyHost, there)
		want(t, err, Denied)
	}
	_, err = b.BeginSecondFactor(t.Context(), annas, passkeyHost, there)
	want(t, err, Throttled)
	want(t, b.wrong("Anna", there), Throttled)
	// A ceremony of the second factor enrols nothing.
	_, err = b.AddPasskey(t.Context(), by(in), Assertion{b.second().ID, k.create(Ceremony{Options: json.RawMessage(`{"rp":{"id":"cardea.local"}}`)})}, "Other", false)
	if e := want(t, err, Denied); !strings.Contains(e.Message, "answered already") {
		t.Errorf("said %q", e.Message)
	}
}
