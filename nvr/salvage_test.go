package nvr

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"cardea/store"
	"cardea/store/vault"
)

// A torn clip is made whole by who has the identity, and by nobody else.
func TestSalvage(t *testing.T) {
	t.Parallel()
	a := lens(t, "x")
	dir := t.TempDir()
	b := openBox(t, dir)
	identity := b.makeVault()
	st, err := b.AddCamera(t.Context(), anna, NewCamera{Name: "Front", URL: address(a, "x")})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "recording", func() bool { return len(b.clips(st.Camera.ID)) > 0 })
	// The clip is torn as a crash would leave it.
	var c Clip
	eventually(t, "an open clip with parts", func() bool {
		all := b.clips(st.Camera.ID)
		c = all[len(all)-1]
		return c.Plain > 0 && c.State == store.ClipOpen
	})
	f, err := b.OpenClip(t.Context(), anna, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read from
	cut, err := vault.OpenTorn(f, f.Size, identity)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.ReplaceTorn(t.Context(), anna, c.ID, strings.NewReader("x")); store.ErrorCode(err) != store.Conflict {
		t.Errorf("a clip that is not torn: %v", err)
	}
	plain, err := io.ReadAll(io.NewSectionReader(cut, 0, cut.Size()))
	if err != nil {
		t.Fatal(err)
	}
	torn := b.tear(c, f)
	for name, bad := range map[string]io.Reader{
		"no age file": strings.NewReader("hello"),
		"too short":   bytes.NewReader(seal(t, identity, plain[:100])),
		"too long":    bytes.NewReader(seal(t, identity, append(plain, make([]byte, 200000)...))),
	} {
		if _, err := b.ReplaceTorn(t.Context(), anna, torn.ID, bad); store.ErrorCode(err) != store.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	got, err := b.ReplaceTorn(t.Context(), anna, torn.ID, bytes.NewReader(seal(t, identity, plain)))
	if err != nil || !got.Complete() {
		t.Fatalf("%+v, %v", got, err)
	}
	b.opens(identity, torn.ID, true)
}

// tear stores a copy of an open clip as a torn one of an hour ago.
func (b *box) tear(c Clip, f *ClipFile) store.Clip {
	b.t.Helper()
	row := c.Clip
	row.ID, row.Start = store.ID{}, row.Start.Add(-time.Hour)
	row, err := b.db.OpenClip(b.t.Context(), row)
	if err != nil {
		b.t.Fatal(err)
	}
	sealed := make([]byte, f.Size)
	if _, err := f.ReadAt(sealed, 0); err != nil {
		b.t.Fatal(err)
	}
	file, err := b.disk.Create(row.Path())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := errors.Join(file.Append(sealed), file.Datasync(), file.Close()); err != nil {
		b.t.Fatal(err)
	}
	parts := f.Clip.Parts
	for i := range parts {
		parts[i].Start = parts[i].Start.Add(-time.Hour)
	}
	torn, err := b.db.SettleTorn(b.t.Context(), store.ClosedClip{
		Clip: row.ID, Parts: parts, End: f.Clip.End.Add(-time.Hour), Plain: f.Clip.Plain, Bytes: f.Size, SHA256: bytes.Repeat([]byte{1}, 32),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return torn
}

func seal(t *testing.T, id *vault.Identity, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, _, err := vault.Seal(&out, id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
