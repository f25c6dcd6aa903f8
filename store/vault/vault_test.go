package vault

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
)

// seal returns the file and where its first chunk starts.
func seal(t testing.TB, id *Identity, plain []byte) ([]byte, int) {
	t.Helper()
	var out bytes.Buffer
	w, header, err := Seal(&out, id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if header != out.Len() {
		t.Fatalf("header %d, but %d bytes were written", header, out.Len())
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), header
}

func generate(t testing.TB, kind Type) *Identity {
	t.Helper()
	id, err := Generate(kind)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestSealedFileIsAge(t *testing.T) {
	t.Parallel()
	for _, kind := range []Type{Hybrid, X25519} {
		for _, n := range []int{0, 1, ChunkSize - 1, ChunkSize, ChunkSize + 1, 3 * ChunkSize, 200_000} {
			t.Run(fmt.Sprint(kind, n), func(t *testing.T) {
				id := generate(t, kind)
				plain := noise(n)
				file, header := seal(t, id, plain)
				if chunks := max(1, (n+ChunkSize-1)/ChunkSize); len(file) != header+n+16*chunks {
					t.Errorf("file of %d bytes, header %d, plaintext %d", len(file), header, n)
				}
				ids, err := age.ParseIdentities(strings.NewReader(id.Secret()))
				if err != nil {
					t.Fatal(err)
				}
				r, err := age.Decrypt(bytes.NewReader(file), ids...)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("age reads %d bytes, %v", len(got), err)
				}
				at, size, err := OpenAt(bytes.NewReader(file), int64(len(file)), id)
				if err != nil || size != int64(n) {
					t.Fatalf("size %d, %v", size, err)
				}
				if got, err := io.ReadAll(io.NewSectionReader(at, 0, size)); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("OpenAt reads %d bytes, %v", len(got), err)
				}
				torn, err := OpenTorn(bytes.NewReader(file), int64(len(file)), id)
				if err != nil {
					t.Fatal(err)
				}
				if !torn.Complete() || torn.Size() != int64(n) {
					t.Errorf("OpenTorn: complete %v, size %d", torn.Complete(), torn.Size())
				}
				if got, err := io.ReadAll(io.NewSectionReader(torn, 0, torn.Size())); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("OpenTorn reads %d bytes, %v", len(got), err)
				}
			})
		}
	}
}

// A file may be cut anywhere: what OpenTorn gives is always a prefix, up to the last whole chunk.
func TestOpenTornGivesEveryWholeChunk(t *testing.T) {
	t.Parallel()
	id := generate(t, Hybrid)
	plain := noise(3*ChunkSize + 1000)
	file, header := seal(t, id, plain)
	for cut := 0; cut < len(file); cut += 977 {
		torn, err := OpenTorn(bytes.NewReader(file[:cut]), int64(cut), id)
		if cut < header {
			if err == nil {
				t.Errorf("cut %d inside the header is no error", cut)
			}
			continue
		}
		if err != nil {
			t.Errorf("cut %d: %v", cut, err)
			continue
		}
		want := int64((cut - header) / SealedChunkSize * ChunkSize)
		if torn.Complete() || torn.Size() != want {
			t.Errorf("cut %d: size %d, want %d", cut, torn.Size(), want)
		}
		if got, err := io.ReadAll(io.NewSectionReader(torn, 0, torn.Size())); err != nil || !bytes.Equal(got, plain[:want]) {
			t.Errorf("cut %d: %d bytes, %v", cut, len(got), err)
		}
	}
}

// After a power cut a file may be longer than what reached the disk; the rest reads as zeros.
// Attack case 68 of docs/attacks.md.
func TestOpenTornPassesOverZeros(t *testing.T) {
	t.Parallel()
	id := generate(t, X25519)
	plain := noise(5 * ChunkSize)
	file, header := seal(t, id, plain)
	for i := header + 2*SealedChunkSize + 100; i < len(file); i++ {
		file[i] = 0
	}
	torn, err := OpenTorn(bytes.NewReader(file), int64(len(file)), id)
	if err != nil {
		t.Fatal(err)
	}
	if torn.Complete() || torn.Size() != 2*ChunkSize {
		t.Errorf("complete %v, size %d", torn.Complete(), torn.Size())
	}
}

// TestDamageIsNeverData is attack case 74 of docs/attacks.md.
func TestDamageIsNeverData(t *testing.T) {
	t.Parallel()
	id := generate(t, X25519)
	file, header := seal(t, id, noise(3*ChunkSize))
	file[header+10] ^= 1
	torn, err := OpenTorn(bytes.NewReader(file), int64(len(file)), id)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if n, err := torn.ReadAt(buf, 0); err == nil || n != 0 {
		t.Errorf("read %d bytes of a damaged chunk, %v", n, err)
	}
	if n, err := torn.ReadAt(buf, ChunkSize); err != nil || n != 100 {
		t.Errorf("the next chunk: %d, %v", n, err)
	}
	if _, err := torn.ReadAt(buf, -1); err == nil {
		t.Error("negative offset is no error")
	}
	if _, err := torn.ReadAt(buf, torn.Size()); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestWrongIdentity(t *testing.T) {
	t.Parallel()
	file, _ := seal(t, generate(t, Hybrid), []byte("x"))
	other := generate(t, Hybrid)
	r := bytes.NewReader(file)
	if _, err := OpenTorn(r, r.Size(), other); !errors.Is(err, ErrIdentity) {
		t.Errorf("OpenTorn: %v", err)
	}
	if _, _, err := OpenAt(r, r.Size(), other); !errors.Is(err, ErrIdentity) {
		t.Errorf("OpenAt: %v", err)
	}
	if _, err := Open(r, other); !errors.Is(err, ErrIdentity) {
		t.Errorf("Open: %v", err)
	}
}

// The recorder counts on it: nothing is held back but the last, unfinished chunk.
func TestPendingIsBelowOneChunk(t *testing.T) {
	t.Parallel()
	id := generate(t, X25519)
	var out bytes.Buffer
	w, header, err := Seal(&out, id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for i := range 400 {
		n, err := w.Write(noise(1 + i*7))
		if err != nil {
			t.Fatal(err)
		}
		total += n
		durable := (out.Len() - header) / SealedChunkSize * ChunkSize
		if (out.Len()-header)%SealedChunkSize != 0 || total-durable > ChunkSize {
			t.Fatalf("%d bytes in, %d durable", total, durable)
		}
	}
}

func TestIdentityHidesItself(t *testing.T) {
	t.Parallel()
	for _, kind := range []Type{Hybrid, X25519} {
		id := generate(t, kind)
		all := fmt.Sprintf("%v %s %+v %#v %q %d %x", id, id, id, id, id, id, id)
		if strings.Contains(strings.ToUpper(all), "SECRET") {
			t.Errorf("formatting shows the secret")
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, kind := range []Type{Hybrid, X25519} {
		id := generate(t, kind)
		file := "# created: today\n# public key: " + id.Recipient().String() + "\n" + id.Secret() + "\r\n\n"
		got, err := ParseIdentity(file)
		if err != nil || got.Secret() != id.Secret() || got.Type() != kind {
			t.Errorf("%s: %v", kind, err)
		}
		r, err := ParseRecipient(" " + id.Recipient().String() + "\n")
		if err != nil || r.String() != id.Recipient().String() || r.Type() != kind {
			t.Errorf("%s: %v", kind, err)
		}
		bad := id.Secret()[:len(id.Secret())-1] + "Q"
		if _, err := ParseIdentity(bad); err == nil || strings.Contains(err.Error(), bad[20:40]) {
			t.Errorf("a mistyped identity: %v", err)
		}
		if _, err := ParseIdentity(file + id.Secret()); err == nil {
			t.Error("two identities are taken for one")
		}
	}
	for _, s := range []string{"", "age1", "age1pq1xyz", "ssh-ed25519 AAAA"} {
		if _, err := ParseRecipient(s); err == nil {
			t.Errorf("recipient %q is taken", s)
		}
	}
	if _, err := Generate("rsa"); err == nil {
		t.Error("type rsa is taken")
	}
	if _, _, err := Seal(io.Discard, Recipient{}); err == nil {
		t.Error("sealed to nobody")
	}
}

func TestPassphrase(t *testing.T) {
	t.Parallel()
	id := generate(t, Hybrid)
	wrapped, err := wrap(id, "correct horse", 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := Wrapped(wrapped); err != nil {
		t.Error(err)
	}
	got, err := UnwrapPassphrase(wrapped, "correct horse")
	if err != nil || got.Secret() != id.Secret() {
		t.Errorf("unwrap: %v", err)
	}
	if _, err := UnwrapPassphrase(wrapped, "wrong horse"); !errors.Is(err, ErrPassphrase) {
		t.Errorf("wrong passphrase: %v", err)
	}
	if _, err := wrap(id, "", 10); err == nil {
		t.Error("an empty passphrase is taken")
	}
	costly, err := wrap(id, "x", 10)
	if err != nil {
		t.Fatal(err)
	}
	costly = bytes.Replace(costly, []byte(" 10\n"), []byte(" 30\n"), 1)
	if _, err := UnwrapPassphrase(costly, "x"); err == nil {
		t.Error("a file that costs a terabyte is tried")
	}
	file, _ := seal(t, id, []byte(id.Secret()))
	for _, b := range [][]byte{nil, []byte(id.Secret()), file} {
		if Wrapped(b) == nil {
			t.Errorf("%.20q passes as a wrapped identity", b)
		}
	}
}

func TestStockAge(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("age")
	if err != nil {
		t.Skip("no age tool here")
	}
	dir := t.TempDir()
	id := generate(t, X25519)
	plain := noise(2*ChunkSize + 5)
	file, header := seal(t, id, plain)
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := write("key", []byte(id.Secret()+"\n"))
	out, err := exec.Command(tool, "-d", "-i", key, write("whole", file)).Output()
	if err != nil || !bytes.Equal(out, plain) {
		t.Errorf("whole file: %d bytes, %v", len(out), err)
	}
	// DESIGN.md: a torn clip opens to its last whole chunk, then the tool exits 1.
	cut := file[:header+SealedChunkSize+100]
	out, err = exec.Command(tool, "-d", "-i", key, write("torn", cut)).Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !bytes.Equal(out, plain[:ChunkSize]) {
		t.Errorf("torn file: %d bytes, %v", len(out), err)
	}
}

// The golden files pin the format: what was sealed once opens for ever.
func TestGolden(t *testing.T) {
	t.Parallel()
	plain, err := os.ReadFile("testdata/plain")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []Type{Hybrid, X25519} {
		text, err := os.ReadFile("testdata/" + string(kind) + ".identity")
		if err != nil {
			t.Fatal(err)
		}
		id, err := ParseIdentity(string(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"whole", "torn"} {
			file, err := os.ReadFile("testdata/" + string(kind) + "." + name + ".age")
			if err != nil {
				t.Fatal(err)
			}
			r, err := OpenTorn(bytes.NewReader(file), int64(len(file)), id)
			if err != nil {
				t.Fatal(err)
			}
			want := plain
			if name == "torn" {
				want = plain[:ChunkSize]
			}
			got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
			if err != nil || !bytes.Equal(got, want) || r.Complete() != (name == "whole") {
				t.Errorf("%s %s: %d bytes, complete %v, %v", kind, name, len(got), r.Complete(), err)
			}
		}
		wrapped, err := os.ReadFile("testdata/" + string(kind) + ".wrapped.age")
		if err != nil {
			t.Fatal(err)
		}
		got, err := UnwrapPassphrase(wrapped, "cardea golden")
		if err != nil || got.Secret() != id.Secret() {
			t.Errorf("%s wrapped: %v", kind, err)
		}
	}
}

func FuzzOpenTorn(f *testing.F) {
	id := generate(f, X25519)
	file, header := seal(f, id, noise(ChunkSize+10))
	f.Add(file)
	f.Add(file[:header])
	f.Add(file[:header+20])
	f.Add([]byte("age-encryption.org/v1\n-> X25519 "))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := OpenTorn(bytes.NewReader(b), int64(len(b)), id)
		if err != nil {
			return
		}
		if r.Size() > int64(len(b)) {
			t.Errorf("%d bytes of plaintext from %d", r.Size(), len(b))
		}
		buf := make([]byte, 100)
		for off := int64(0); off < r.Size(); off += ChunkSize {
			_, _ = r.ReadAt(buf, off)
		}
	})
}

func FuzzWrapped(f *testing.F) {
	wrapped, err := wrap(generate(f, X25519), "x", 2)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wrapped)
	f.Add([]byte("age-encryption.org/v1\n--- \n"))
	f.Fuzz(func(t *testing.T, b []byte) { _ = Wrapped(b) })
}
