package vault

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestBoxKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys", "box.key")
	var wg sync.WaitGroup
	keys := make([]*BoxKey, 4)
	for i := range keys {
		wg.Go(func() {
			k, err := LoadBoxKey(path)
			if err != nil {
				t.Error(err)
			}
			keys[i] = k
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	sealed, err := keys[0].SealSecret([]byte("admin:secret"), []byte("camera 1"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("secret")) {
		t.Error("not sealed")
	}
	// Started at the same time, all of them use the same key.
	for _, k := range keys {
		if got, err := k.OpenSecret(sealed, []byte("camera 1")); err != nil || string(got) != "admin:secret" {
			t.Errorf("%q, %v", got, err)
		}
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := keys[0].OpenSecret(bad, []byte("camera 1")); !errors.Is(err, ErrSecret) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := keys[0].OpenSecret(sealed[:i], []byte("camera 1")); !errors.Is(err, ErrSecret) {
			t.Errorf("cut to %d: %v", i, err)
		}
	}
	if _, err := keys[0].OpenSecret(sealed, []byte("camera 2")); !errors.Is(err, ErrSecret) {
		t.Errorf("moved to another row: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 32 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if list, err := os.ReadDir(filepath.Dir(path)); err != nil || len(list) != 1 {
		t.Errorf("%d files, %v", len(list), err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadBoxKey(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a lax mode stays: %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadBoxKey(path); err == nil {
		t.Error("a damaged key is taken")
	}
}
