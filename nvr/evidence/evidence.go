// Package evidence is the bundle that leaves the house when somebody else has to be convinced: clips as they were recorded, with
// what the footage log says about them, and a page that tells how to check it with public tools.
//
// Its nouns: Manifest, what a bundle says of itself; Writer, which makes one; Report, what Verify found in one. A bundle is a ZIP
// (see docs/evidence.md for each file in it). The package decides nothing about who may have one, and needs neither the NVR nor
// its store to check one.
package evidence

import (
	"archive/zip"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// The files of a bundle. Those of a clip are named after its ULID.
const (
	readmeName     = "README.html"
	manifestName   = "manifest.json"
	keyName        = "log.vkey"
	checkpointName = "checkpoint"
	sumsName       = "SHA256SUMS"
	openKeyName    = "opened/key.txt"

	clipDir, clipEnd     = "clips/", ".mp4.age"
	recordDir            = "records/"
	recordEnd            = ".json"
	saltEnd              = ".salt"
	proofEnd             = ".tlog-proof"
	openDir, openHeadEnd = "opened/", ".header"
	openEnd              = ".mp4"
)

//go:embed README.html
var readme []byte

// Clip is what the manifest says of a clip. The log record says the same and is what counts.
type Clip struct {
	ID         string    `json:"id"`
	Camera     string    `json:"camera"`
	CameraName string    `json:"camera_name"`
	Start      time.Time `json:"start"`
	End        time.Time `json:"end"`
	Bytes      int64     `json:"bytes"`
	SHA256     string    `json:"sha256"` // of the sealed file, hex
	Seq        int64     `json:"seq"`    // of its record in the footage log
}

// Manifest is what a bundle says of itself.
type Manifest struct {
	Version int       `json:"version"` // 1
	Made    time.Time `json:"made"`
	By      string    `json:"by"`   // name of the account
	Note    string    `json:"note"` // their words
	Origin  string    `json:"origin"`
	Clips   []Clip    `json:"clips"`
}

// Record is what the footage log says of a clip, with the proof that it says so.
type Record struct {
	Text  []byte // JSON, as it was committed to
	Salt  []byte // 32 bytes; the leaf of the log is HMAC-SHA256(Salt, Text)
	Proof []byte // tlog-proof with the checkpoint
}

// ClipOf gives the clip whose sealed file has this name in a bundle.
func ClipOf(name string) (id string, ok bool) {
	id, ok = strings.CutPrefix(name, clipDir)
	return strings.TrimSuffix(id, clipEnd), ok
}

// Writer makes a bundle. Call Clip for each clip of the manifest, in any order, then Close.
type Writer struct{ zip *zip.Writer }

// NewWriter writes what stands at the front. vkey is the public key of the footage log.
func NewWriter(w io.Writer, m Manifest, vkey string) (*Writer, error) {
	m.Version = 1
	b := &Writer{zip.NewWriter(w)}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write evidence: %w", err)
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{readmeName, readme}, {manifestName, append(text, '\n')}, {keyName, []byte(vkey + "\n")}, {sumsName, []byte(sums(m.Clips))}} {
		if err := b.add(f.name, f.data); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// sums lists the clips as sha256sum -c reads them.
func sums(clips []Clip) string {
	var b strings.Builder
	for _, c := range clips {
		fmt.Fprintf(&b, "%s  %s\n", c.SHA256, clipDir+c.ID+clipEnd)
	}
	return b.String()
}

// Clip adds a clip's sealed file and its record.
func (b *Writer) Clip(id string, sealed io.Reader, r Record) error {
	if err := b.copy(clipDir+id+clipEnd, sealed); err != nil {
		return err
	}
	for _, f := range []struct {
		end  string
		data []byte
	}{{recordEnd, r.Text}, {saltEnd, []byte(hex.EncodeToString(r.Salt) + "\n")}, {proofEnd, r.Proof}} {
		if err := b.add(recordDir+id+f.end, f.data); err != nil {
			return err
		}
	}
	return nil
}

// Checkpoint adds the newest checkpoint of the log by itself, for a comparison with what witnesses keep.
func (b *Writer) Checkpoint(text []byte) error { return b.add(checkpointName, text) }

// Opened adds the plaintext of a clip, and the header that lets the key of the bundle open the sealed file.
func (b *Writer) Opened(id string, header []byte, plain io.Reader) error {
	if err := b.add(openDir+id+openHeadEnd, header); err != nil {
		return err
	}
	return b.copy(openDir+id+openEnd, plain)
}

// Key adds the key of the bundle, an age identity made for it alone.
func (b *Writer) Key(identity string) error { return b.add(openKeyName, []byte(identity+"\n")) }

// Extend begins a bundle that takes over all of another one.
func Extend(w io.Writer, from *zip.Reader) (*Writer, error) {
	b := &Writer{zip.NewWriter(w)}
	for _, f := range from.File {
		if err := b.zip.Copy(f); err != nil {
			return nil, fmt.Errorf("write evidence: %w", err)
		}
	}
	return b, nil
}

// Close writes the directory. It does not close the underlying writer.
func (b *Writer) Close() error {
	if err := b.zip.Close(); err != nil {
		return fmt.Errorf("write evidence: %w", err)
	}
	return nil
}

func (b *Writer) add(name string, data []byte) error {
	return b.copy(name, strings.NewReader(string(data)))
}

// copy stores without compression: sealed video does not get smaller, and a reader need not be afraid of what unpacks to more
// than it is.
func (b *Writer) copy(name string, from io.Reader) error {
	to, err := b.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
	if err == nil {
		_, err = io.Copy(to, from)
	}
	if err != nil {
		return fmt.Errorf("write evidence: %s: %w", name, err)
	}
	return nil
}
