package command

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"cardea/nvr/evidence"
	"cardea/store/vault"
	"cardea/web/api"
	"cardea/web/console"
)

// exportEvidence writes a bundle of clips with what the log says of them; opened, with an identity.
func exportEvidence(e *Env, client *console.Client, ids []string, note string, identity *vault.Identity, name string) error {
	var made api.Evidence
	if err := client.Do(e.Ctx, "POST", "/api/evidence", map[string]any{"clips": ids, "note": note}, &made); err != nil {
		return err
	}
	bundle, drop, err := nameless()
	if err != nil {
		return err
	}
	defer drop()
	size, err := client.Download(e.Ctx, made.URL, bundle)
	if err != nil {
		return err
	}
	if identity != nil {
		opened, dropOpened, err := nameless()
		if err != nil {
			return err
		}
		defer dropOpened()
		if err := openBundle(bundle, size, identity, opened); err != nil {
			return err
		}
		bundle = opened
	}
	if _, err := bundle.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if name == "-" {
		_, err := io.Copy(e.Stdout, bundle)
		return err
	}
	if name == "" {
		name = "cardea-evidence-" + made.ID + ".zip"
	}
	if err := writeFile(name, bundle); err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.Stdout, name)
	return err
}

// nameless is a file that goes away by itself.
func nameless() (f *os.File, drop func(), err error) {
	if f, err = os.CreateTemp("", "cardea-*"); err != nil {
		return nil, nil, err
	}
	drop = func() { f.Close() }
	if err := os.Remove(f.Name()); err != nil {
		drop()
		return nil, nil, err
	}
	return f, drop, nil
}

// openBundle writes a bundle anew with the plaintext of its clips, and with a key made for it alone that opens the sealed ones: so the
// vault's identity stays here, and whoever gets the bundle can see that one is the other.
func openBundle(from io.ReaderAt, size int64, identity *vault.Identity, to io.Writer) error {
	report, err := zip.NewReader(from, size)
	if err != nil {
		return fmt.Errorf("read the bundle: %w", err)
	}
	key, err := vault.Generate(identity.Type())
	if err != nil {
		return err
	}
	w, err := evidence.Extend(to, report)
	if err != nil {
		return err
	}
	for _, f := range report.File {
		id, ok := evidence.ClipOf(f.Name)
		if !ok {
			continue
		}
		at, err := f.DataOffset()
		if err != nil {
			return err
		}
		sealed := io.NewSectionReader(from, at, int64(f.UncompressedSize64)) //nolint:gosec // of an archive that was just made
		start := make([]byte, min(sealed.Size(), 64<<10))
		if _, err := sealed.ReadAt(start, 0); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		header, err := vault.Rewrap(start, identity, key.Recipient())
		if err != nil {
			return fmt.Errorf("open clip %s: %w", id, err)
		}
		plain, err := vault.OpenTorn(sealed, sealed.Size(), identity)
		if err != nil {
			return fmt.Errorf("open clip %s: %w", id, err)
		}
		if err := w.Opened(id, header, io.NewSectionReader(plain, 0, plain.Size())); err != nil {
			return err
		}
	}
	if err := w.Key(key.Secret()); err != nil {
		return err
	}
	return w.Close()
}

// verifyBundle checks a bundle offline and says what it found.
func verifyBundle(e *Env, name, vkey string) error {
	f, err := os.Open(name)
	if err != nil {
		return unreadable(err)
	}
	defer f.Close() //nolint:errcheck // only read from
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if vkey != "" {
		if text, err := os.ReadFile(vkey); err == nil {
			vkey = string(bytes.TrimSpace(text))
		}
	}
	report, err := evidence.Verify(e.Ctx, f, info.Size(), vkey)
	if err != nil {
		return err
	}
	for _, fault := range report.Faults {
		fmt.Fprintln(e.Stdout, fault)
	}
	if len(report.Faults) > 0 {
		return ExitError(1)
	}
	for _, c := range report.Manifest.Clips {
		fmt.Fprintf(e.Stdout, "%s  %q  %s to %s  sha256 %s  record %d\n", c.ID, c.CameraName, c.Start.UTC().Format(time.RFC3339), c.End.UTC().Format(time.RFC3339), c.SHA256, c.Seq)
	}
	fmt.Fprintf(e.Stderr, "%d recordings are what the log %s recorded", len(report.Manifest.Clips), report.Newest.Origin)
	if report.Opened > 0 {
		fmt.Fprintf(e.Stderr, "; %d of them are in it to watch, and are what was sealed", report.Opened)
	}
	fmt.Fprintf(e.Stderr, ".\nThe key of the log: %s\n", report.Key)
	if vkey == "" {
		fmt.Fprintln(e.Stderr, "It came with the bundle. Compare it with the one that the owner or a witness knows, or give that with --vkey.")
	}
	return nil
}
