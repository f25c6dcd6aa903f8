package pairing

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"testing"

	"filippo.io/nistec"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRFC9383 is the vector of appendix C for the suite that is used here.
func TestRFC9383(t *testing.T) {
	t.Parallel()
	const prover, verifier = "client", "server"
	context := []byte("SPAKE2+-P256-SHA256-HKDF-SHA256-HMAC-SHA256 Test Vectors")
	s := secret{
		w0: unhex(t, "bb8e1bbcf3c48f62c08db243652ae55d3e5586053fca77102994f23ad95491b3"),
		w1: unhex(t, "7e945f34d78785b8a3ef44d0df5a1a97d6b3b460409a345ca7830387a74b1dba"),
	}
	r, err := s.record()
	if err != nil {
		t.Fatal(err)
	}
	same := func(what string, got []byte, want string) {
		t.Helper()
		if !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("%s is %x, want %s", what, got, want)
		}
	}
	same("L", r.l, "04eb7c9db3d9a9eb1f8adab81b5794c1f13ae3e225efbe91ea487425854c7fc00f00bfedcbd09b2400142d40a14f2064ef31dfaa903b91d1faea7093d835966efd")
	x := unhex(t, "d1232c8e8693d02368976c174e2088851b8365d0d79a9eee709c6a05a2fad539")
	y := unhex(t, "717a72348a182085109c8d3917d6c43d59b224dc6a7fc4f0483232fa6516d8b3")
	shareP, err := masked(x, s.w0, pointM)
	if err != nil {
		t.Fatal(err)
	}
	same("shareP", shareP, "04ef3bd051bf78a2234ec0df197f7828060fe9856503579bb1733009042c15c0c1de127727f418b5966afadfdd95a6e4591d171056b333dab97a79c7193e341727")
	shareV, err := masked(y, r.w0, pointN)
	if err != nil {
		t.Fatal(err)
	}
	same("shareV", shareV, "04c0f65da0d11927bdf5d560c69e1d7d939a05b0e88291887d679fcadea75810fb5cc1ca7494db39e82ff2f50665255d76173e09986ab46742c798a9a68437b048")
	p, err := prove(s, x, shareP, shareV, context, prover, verifier)
	if err != nil {
		t.Fatal(err)
	}
	v, err := check(r, y, shareP, shareV, context, prover, verifier)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []keys{p, v} {
		same("confirmP", k.confirmP, "926cc713504b9b4d76c9162ded04b5493e89109f6d89462cd33adc46fda27527")
		same("confirmV", k.confirmV, "9747bcc4f8fe9f63defee53ac9b07876d907d55047e6ff2def2e7529089d3e68")
		same("K_shared", k.shared, "0c5f8ccd1413423a54f6c1fb26ff01534a87f893779c6e68666d772bfd91f3e7")
	}
}

// TestSpakeDiffers: another code, another context or another share give other keys.
func TestSpakeDiffers(t *testing.T) {
	t.Parallel()
	salt := []byte("salt")
	right, err := stretch("12345678", salt)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := stretch("12345679", salt)
	if err != nil {
		t.Fatal(err)
	}
	r, err := right.record()
	if err != nil {
		t.Fatal(err)
	}
	run := func(s secret, a, b string) (keys, keys) {
		x, err := scalar(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		y, err := scalar(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		shareP, err := masked(x, s.w0, pointM)
		if err != nil {
			t.Fatal(err)
		}
		shareV, err := masked(y, r.w0, pointN)
		if err != nil {
			t.Fatal(err)
		}
		p, err := prove(s, x, shareP, shareV, []byte(a), idProver, idVerifier)
		if err != nil {
			t.Fatal(err)
		}
		v, err := check(r, y, shareP, shareV, []byte(b), idProver, idVerifier)
		if err != nil {
			t.Fatal(err)
		}
		return p, v
	}
	if p, v := run(right, "a", "a"); !bytes.Equal(p.shared, v.shared) || !bytes.Equal(p.confirmP, v.confirmP) || !bytes.Equal(p.confirmV, v.confirmV) {
		t.Error("the right code does not work")
	}
	if p, v := run(right, "a", "b"); bytes.Equal(p.shared, v.shared) || bytes.Equal(p.confirmV, v.confirmV) {
		t.Error("the context is not bound")
	}
	if p, v := run(wrong, "a", "a"); bytes.Equal(p.shared, v.shared) || bytes.Equal(p.confirmP, v.confirmP) {
		t.Error("a wrong code works")
	}
}

func FuzzShare(f *testing.F) {
	f.Add(new(nistec.P256Point).SetGenerator().Bytes())
	f.Add([]byte{0})
	f.Add(constant(pointM).Bytes())
	s, err := stretch("12345678", []byte("salt"))
	if err != nil {
		f.Fatal(err)
	}
	r, err := s.record()
	if err != nil {
		f.Fatal(err)
	}
	y, err := scalar(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, share []byte) {
		_, _ = check(r, y, share, share, nil, idProver, idVerifier)
		_, _ = prove(s, y, share, share, nil, idProver, idVerifier)
	})
}
