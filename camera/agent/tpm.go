//go:build unix

package agent

import (
	"crypto"
	"crypto/ecdsa"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"sync"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxtpm"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"
)

// TPM keeps the camera's key in a TPM 2.0: what is stored is wrapped by the TPM's storage key and of no use elsewhere. It is
// a pairing.Keys. Path is a device such as /dev/tpmrm0, or a socket. Each use opens and closes it, so that others
// can use it too.
type TPM struct {
	Path string

	mu sync.Mutex
}

// wrapped is what is stored of a key.
type wrapped struct {
	Public  []byte `json:"tpm_public"`
	Private []byte `json:"tpm_private"`
}

// use calls f with the TPM and its storage key (TCG provisioning guidance, ECC P-256), which is made anew from the owner's seed each
// time and is the same one each time.
func (t *TPM) use(f func(tpm transport.TPM, parent tpm2.NamedHandle) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	info, err := os.Stat(t.Path)
	if err != nil {
		return fmt.Errorf("TPM: %w", err)
	}
	open := linuxtpm.Open
	if info.Mode()&os.ModeSocket != 0 {
		open = linuxudstpm.Open
	}
	tpm, err := open(t.Path)
	if err != nil {
		return fmt.Errorf("TPM %s: %w", t.Path, err)
	}
	defer tpm.Close() //nolint:errcheck // nothing is pending
	primary, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(tpm2.ECCSRKTemplate)}.Execute(tpm)
	if err != nil {
		return fmt.Errorf("TPM %s: storage key: %w", t.Path, err)
	}
	err = f(tpm, tpm2.NamedHandle{Handle: primary.ObjectHandle, Name: primary.Name})
	if _, flushed := (tpm2.FlushContext{FlushHandle: primary.ObjectHandle}).Execute(tpm); flushed != nil {
		err = errors.Join(err, fmt.Errorf("TPM %s: %w", t.Path, flushed))
	}
	return err
}

// New implements pairing.Keys.
func (t *TPM) New() (crypto.Signer, []byte, error) {
	template := tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, NoDA: true, SignEncrypt: true},
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{
			CurveID: tpm2.TPMECCNistP256,
			Scheme: tpm2.TPMTECCScheme{
				Scheme: tpm2.TPMAlgECDSA, Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256}),
			},
		}),
	}
	var w wrapped
	err := t.use(func(tpm transport.TPM, parent tpm2.NamedHandle) error {
		made, err := tpm2.Create{ParentHandle: parent, InPublic: tpm2.New2B(template)}.Execute(tpm)
		if err != nil {
			return fmt.Errorf("TPM %s: make a key: %w", t.Path, err)
		}
		w = wrapped{Public: tpm2.Marshal(made.OutPublic), Private: tpm2.Marshal(made.OutPrivate)}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	stored, err := json.Marshal(w)
	if err != nil {
		return nil, nil, err
	}
	key, err := t.Open(stored)
	return key, stored, err
}

// Open implements pairing.Keys. It does not touch the TPM yet.
func (t *TPM) Open(stored []byte) (crypto.Signer, error) {
	var w wrapped
	if err := json.Unmarshal(stored, &w); err != nil || len(w.Public) == 0 {
		return nil, errors.New("the stored key is not one of a TPM; without --tpm it may be one in the file")
	}
	k := &tpmKey{tpm: t}
	public, err := tpm2.Unmarshal[tpm2.TPM2BPublic](w.Public)
	if err != nil {
		return nil, fmt.Errorf("the stored key: %w", err)
	}
	private, err := tpm2.Unmarshal[tpm2.TPM2BPrivate](w.Private)
	if err != nil {
		return nil, fmt.Errorf("the stored key: %w", err)
	}
	contents, err := public.Contents()
	if err != nil {
		return nil, fmt.Errorf("the stored key: %w", err)
	}
	pub, err := tpm2.Pub(*contents)
	if err != nil {
		return nil, fmt.Errorf("the stored key: %w", err)
	}
	ec, ok := pub.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("the stored key is not one of P-256")
	}
	k.public, k.private, k.pub = *public, *private, ec
	return k, nil
}

// tpmKey signs in the TPM.
type tpmKey struct {
	tpm     *TPM
	public  tpm2.TPM2BPublic
	private tpm2.TPM2BPrivate
	pub     *ecdsa.PublicKey
}

func (k *tpmKey) Public() crypto.PublicKey { return k.pub }

// Sign gives an ECDSA signature in ASN.1 of a SHA-256 digest, which is all that certificates and TLS 1.3 ask of P-256.
func (k *tpmKey) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	if opts.HashFunc() != crypto.SHA256 || len(digest) != 32 {
		return nil, errors.New("the TPM key signs SHA-256 only")
	}
	err = k.tpm.use(func(tpm transport.TPM, parent tpm2.NamedHandle) (err error) {
		loaded, err := tpm2.Load{ParentHandle: parent, InPrivate: k.private, InPublic: k.public}.Execute(tpm)
		if err != nil {
			return fmt.Errorf("TPM %s: load the camera's key: %w", k.tpm.Path, err)
		}
		defer func() {
			_, flushed := tpm2.FlushContext{FlushHandle: loaded.ObjectHandle}.Execute(tpm)
			err = errors.Join(err, flushed)
		}()
		out, err := tpm2.Sign{
			KeyHandle:  tpm2.NamedHandle{Handle: loaded.ObjectHandle, Name: loaded.Name},
			Digest:     tpm2.TPM2BDigest{Buffer: digest},
			Validation: tpm2.TPMTTKHashCheck{Tag: tpm2.TPMSTHashCheck},
		}.Execute(tpm)
		if err != nil {
			return fmt.Errorf("TPM %s: sign: %w", k.tpm.Path, err)
		}
		sig, err := out.Signature.Signature.ECDSA()
		if err != nil {
			return fmt.Errorf("TPM %s: sign: %w", k.tpm.Path, err)
		}
		signature, err = asn1.Marshal(struct{ R, S *big.Int }{
			new(big.Int).SetBytes(sig.SignatureR.Buffer), new(big.Int).SetBytes(sig.SignatureS.Buffer),
		})
		return err
	})
	return signature, err
}
