package vault

import (
	"bytes"
	"testing"

	"filippo.io/age"
)

func TestSealIdentity(t *testing.T) {
	t.Parallel()
	for _, kind := range []Type{Hybrid, X25519} {
		t.Run(string(kind), func(t *testing.T) {
			id, key := generate(t, Hybrid), generate(t, kind)
			sealed, err := SealIdentity(id, key.Recipient())
			if err != nil {
				t.Fatal(err)
			}
			if err := SealedGrant(sealed); err != nil {
				t.Error(err)
			}
			back, err := UnsealIdentity(sealed, key)
			if err != nil || back.Secret() != id.Secret() {
				t.Errorf("came back as %v, %v", back, err)
			}
			if _, err := UnsealIdentity(sealed, generate(t, kind)); err == nil {
				t.Error("another key opens it")
			}
			if Bare(sealed) {
				t.Error("it shows the identity")
			}
		})
	}
	wrapped, err := age.NewScryptRecipient("pass")
	if err != nil {
		t.Fatal(err)
	}
	wrapped.SetWorkFactor(2)
	var b bytes.Buffer
	w, err := age.Encrypt(&b, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{nil, []byte("AGE-SECRET-KEY-1QQ"), b.Bytes(), make([]byte, 1<<20)} {
		if SealedGrant(bad) == nil {
			t.Errorf("%.40q passes as a sealed grant", bad)
		}
	}
}

// TestRewrap opens a file with another header by age itself.
func TestRewrap(t *testing.T) {
	t.Parallel()
	for _, kind := range []Type{Hybrid, X25519} {
		for _, to := range []Type{Hybrid, X25519} {
			t.Run(string(kind)+" to "+string(to), func(t *testing.T) {
				id, key := generate(t, kind), generate(t, to)
				plain := bytes.Repeat([]byte("clip "), 30_000)
				var b bytes.Buffer
				w, headerBytes, err := Seal(&b, id.Recipient())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.Write(plain); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				header, err := SplitHeader(b.Bytes())
				if err != nil || len(header)+NonceSize != headerBytes {
					t.Fatalf("header of %d bytes, %v, want %d", len(header), err, headerBytes)
				}
				other, err := Rewrap(b.Bytes(), id, key.Recipient())
				if err != nil {
					t.Fatal(err)
				}
				file := append(other, b.Bytes()[len(header):]...)
				identities, err := age.ParseIdentities(bytes.NewReader([]byte(key.Secret())))
				if err != nil {
					t.Fatal(err)
				}
				opened, err := age.Decrypt(bytes.NewReader(file), identities...)
				if err != nil {
					t.Fatal(err)
				}
				var got bytes.Buffer
				if _, err := got.ReadFrom(opened); err != nil || !bytes.Equal(got.Bytes(), plain) {
					t.Errorf("%d bytes, %v", got.Len(), err)
				}
				if _, err := Rewrap(b.Bytes(), key, id.Recipient()); err == nil {
					t.Error("a stranger may hand it on")
				}
			})
		}
	}
}
