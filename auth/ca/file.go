package ca

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxFile is far more than an authority takes.
const maxFile = 64 << 10

// write stores the authority.
func (w *Web) write(path string) error {
	key, err := x509.MarshalPKCS8PrivateKey(w.key)
	if err != nil {
		return err
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	return replaceFile(path, append(append(data, pemCert(w.inter)...), pemCert(w.root)...))
}

// replaceFile writes a file of mode 0600 so that a cut of the power leaves all of it or what was there before.
func replaceFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// readWeb reads the authority.
func readWeb(path string) (*Web, error) {
	data, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	return parseWeb(data)
}

// readPrivate reads a file with keys and takes rights from others that a copy by hand may have given them.
func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := f.Chmod(0o600); err != nil {
			return nil, fmt.Errorf("others can read the key: %w", err)
		}
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// parseWeb reads key, intermediate and root in that order and checks that they belong together.
func parseWeb(data []byte) (*Web, error) {
	block := func(kind string) ([]byte, error) {
		b, rest := pem.Decode(data)
		if data = rest; b == nil || b.Type != kind {
			return nil, fmt.Errorf("there is no %s where one should be", kind)
		}
		return b.Bytes, nil
	}
	der, err := block("PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key is not an ECDSA key")
	}
	var certs [2]*x509.Certificate
	for i := range certs {
		if der, err = block("CERTIFICATE"); err != nil {
			return nil, err
		}
		if certs[i], err = x509.ParseCertificate(der); err != nil {
			return nil, err
		}
	}
	w := &Web{inter: certs[0], root: certs[1], key: key}
	if !key.PublicKey.Equal(w.inter.PublicKey) {
		return nil, errors.New("key and certificate do not belong together")
	}
	if err := w.inter.CheckSignatureFrom(w.root); err != nil {
		return nil, err
	}
	return w, w.root.CheckSignatureFrom(w.root)
}
