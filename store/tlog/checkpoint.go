package tlog

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is what a log said about itself at one moment: so many records, and the hash over all of them.
type Checkpoint struct {
	Origin string // names the log; also the name of its key
	Size   int64
	Root   tlog.Hash
	Text   []byte // the signed note
}

// ParseCheckpoint checks the signature of a checkpoint against the public key of the log (signed-note, tlog-checkpoint).
func ParseCheckpoint(text []byte, vkey string) (Checkpoint, error) {
	verifier, err := note.NewVerifier(strings.TrimSpace(vkey))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("read the log's public key: %w", err)
	}
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("check the signature of the checkpoint: %w", err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return Checkpoint{}, errors.New("the checkpoint is of another log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return Checkpoint{}, errors.New("the checkpoint has no size")
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return Checkpoint{}, errors.New("the checkpoint has no root hash")
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: tlog.Hash(root), Text: bytes.Clone(text)}, nil
}

// sign makes the checkpoint of a tree.
func sign(signer note.Signer, size int64, root tlog.Hash) (Checkpoint, error) {
	text := fmt.Sprintf("%s\n%d\n%s\n", signer.Name(), size, base64.StdEncoding.EncodeToString(root[:]))
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("sign the checkpoint: %w", err)
	}
	return Checkpoint{Origin: signer.Name(), Size: size, Root: root, Text: signed}, nil
}

// loadKey reads the signing key (0600, apart from every other key) or makes one where there is neither a key nor a log. The
// public key stands in the directory of the log.
func loadKey(keyFile, dir, origin string, entropy io.Reader) (note.Signer, string, error) {
	if entropy == nil {
		entropy = rand.Reader
	}
	vkeyFile := filepath.Join(dir, KeyName)
	secret, err := os.ReadFile(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, CheckpointName)); err == nil {
			return nil, "", fmt.Errorf("the signing key %s is missing: %w", keyFile, ErrKey)
		}
		skey, vkey, err := note.GenerateKey(entropy, origin)
		if err != nil {
			return nil, "", fmt.Errorf("make the log's key: %w", err)
		}
		// Both halves in one file, since the public one cannot be had from package note later.
		secret = []byte(skey + "\n" + vkey + "\n")
		if err := write(keyFile, secret); err != nil {
			return nil, "", fmt.Errorf("store the log's key: %w", err)
		}
	} else if err != nil {
		return nil, "", fmt.Errorf("read the log's key: %w", err)
	}
	skey, vkey, _ := strings.Cut(strings.TrimSpace(string(secret)), "\n")
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, "", fmt.Errorf("read the log's key %s: %w", keyFile, ErrKey)
	}
	public, err := os.ReadFile(vkeyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = write(vkeyFile, []byte(vkey+"\n"))
	case err == nil && strings.TrimSpace(string(public)) != vkey:
		err = ErrKey
	}
	return signer, vkey, err
}
