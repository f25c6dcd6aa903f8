package pairing

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math/big"

	"filippo.io/nistec"
	"golang.org/x/crypto/scrypt"
)

// SPAKE2+ (RFC 9383) with P256-SHA256-HKDF-SHA256-HMAC-SHA256: who knows the code gets a key in common with the camera,
// and who does not gets one guess for each run and nothing to go on guessing with.

// The points M and N of section 4, compressed.
const (
	pointM = "02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f"
	pointN = "03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49"
	// order is that of P-256 (FIPS 186-5).
	order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
)

const (
	idProver   = "cardea nvr"
	idVerifier = "cardea camera"
)

// secret is what the prover knows: the code in the form of section 3.2.
type secret struct{ w0, w1 []byte }

// record is what the verifier keeps of it: nobody can make the prover's half from this.
type record struct{ w0, l []byte }

// stretch makes the secret of a code. salt is drawn for each code, so that nothing can be computed before the camera shows
// it; the cost of scrypt hardly matters with codes that live ten minutes.
func stretch(code string, salt []byte) (secret, error) {
	var pw []byte
	for _, part := range []string{code, idProver, idVerifier} {
		pw = binary.LittleEndian.AppendUint64(pw, uint64(len(part)))
		pw = append(pw, part...)
	}
	out, err := scrypt.Key(pw, salt, 1<<12, 8, 1, 80)
	if err != nil {
		return secret{}, err
	}
	n, _ := new(big.Int).SetString(order, 16)
	half := func(b []byte) []byte {
		v := new(big.Int).SetBytes(b)
		return v.Mod(v, n).FillBytes(make([]byte, 32))
	}
	return secret{w0: half(out[:40]), w1: half(out[40:])}, nil
}

func (s secret) record() (record, error) {
	l, err := new(nistec.P256Point).ScalarBaseMult(s.w1)
	if err != nil {
		return record{}, err
	}
	return record{w0: s.w0, l: l.Bytes()}, nil
}

// keys are what a run ends with. confirmP is sent by the prover, confirmV by the verifier.
type keys struct{ confirmP, confirmV, shared []byte }

var errShare = errors.New("the share is no point of the curve")

// point reads one that is on the curve and not infinity.
func point(b []byte) (*nistec.P256Point, error) {
	p, err := new(nistec.P256Point).SetBytes(b)
	if err != nil || p.IsInfinity() == 1 || len(b) != 65 {
		return nil, errShare
	}
	return p, nil
}

func constant(text string) *nistec.P256Point {
	b, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	p, err := new(nistec.P256Point).SetBytes(b)
	if err != nil {
		panic(err)
	}
	return p
}

// scalar draws one in [1, n-1].
func scalar(random io.Reader) ([]byte, error) {
	k, err := ecdh.P256().GenerateKey(random)
	if err != nil {
		return nil, err
	}
	return k.Bytes(), nil
}

// masked is own·P + w0·mask, the share of either side.
func masked(own, w0 []byte, mask string) ([]byte, error) {
	p, err := new(nistec.P256Point).ScalarBaseMult(own)
	if err != nil {
		return nil, err
	}
	m, err := new(nistec.P256Point).ScalarMult(constant(mask), w0)
	if err != nil {
		return nil, err
	}
	return p.Add(p, m).Bytes(), nil
}

// unmasked is share - w0·mask.
func unmasked(share, w0 []byte, mask string) (*nistec.P256Point, error) {
	p, err := point(share)
	if err != nil {
		return nil, err
	}
	m, err := new(nistec.P256Point).ScalarMult(constant(mask), w0)
	if err != nil {
		return nil, err
	}
	p.Add(p, m.Negate(m))
	if p.IsInfinity() == 1 {
		return nil, errShare
	}
	return p, nil
}

// prove ends the prover's side: x is its scalar, shareP what it sent, shareV what came back.
func prove(s secret, x, shareP, shareV, context []byte, prover, verifier string) (keys, error) {
	y, err := unmasked(shareV, s.w0, pointN)
	if err != nil {
		return keys{}, err
	}
	z, err := new(nistec.P256Point).ScalarMult(y, x)
	if err != nil {
		return keys{}, err
	}
	v, err := new(nistec.P256Point).ScalarMult(y, s.w1)
	if err != nil {
		return keys{}, err
	}
	return schedule(context, prover, verifier, shareP, shareV, z.Bytes(), v.Bytes(), s.w0)
}

// check ends the verifier's side: y is its scalar, shareV what it sends, shareP what came.
func check(r record, y, shareP, shareV, context []byte, prover, verifier string) (keys, error) {
	x, err := unmasked(shareP, r.w0, pointM)
	if err != nil {
		return keys{}, err
	}
	l, err := point(r.l)
	if err != nil {
		return keys{}, err
	}
	z, err := new(nistec.P256Point).ScalarMult(x, y)
	if err != nil {
		return keys{}, err
	}
	v, err := new(nistec.P256Point).ScalarMult(l, y)
	if err != nil {
		return keys{}, err
	}
	return schedule(context, prover, verifier, shareP, shareV, z.Bytes(), v.Bytes(), r.w0)
}

// schedule is section 3.4, with the transcript TT of section 3.3.
func schedule(context []byte, prover, verifier string, shareP, shareV, z, v, w0 []byte) (keys, error) {
	tt := sha256.New()
	for _, part := range [][]byte{
		context, []byte(prover), []byte(verifier), constant(pointM).Bytes(), constant(pointN).Bytes(), shareP, shareV, z, v, w0,
	} {
		var length [8]byte
		binary.LittleEndian.PutUint64(length[:], uint64(len(part)))
		tt.Write(length[:])
		tt.Write(part)
	}
	main := tt.Sum(nil)
	confirm, err := hkdf.Key(sha256.New, main, nil, "ConfirmationKeys", 64)
	if err != nil {
		return keys{}, err
	}
	shared, err := hkdf.Key(sha256.New, main, nil, "SharedKey", 32)
	if err != nil {
		return keys{}, err
	}
	mac := func(key, data []byte) []byte {
		m := hmac.New(sha256.New, key)
		m.Write(data)
		return m.Sum(nil)
	}
	return keys{confirmP: mac(confirm[:32], shareV), confirmV: mac(confirm[32:], shareP), shared: shared}, nil
}
