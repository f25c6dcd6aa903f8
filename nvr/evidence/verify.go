package evidence

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"cardea/store/tlog"
	"cardea/store/vault"
)

const (
	// maxClips bounds a bundle, maxSmall each file in it that is no video.
	maxClips = 500
	maxSmall = 1 << 20
)

// Report is what Verify found.
type Report struct {
	Manifest Manifest
	// Key is the public key that the bundle was checked with. A forger makes a bundle with a key of their own that is sound in itself:
	// it has to be the one that the owner or a witness knows.
	Key string
	// Newest is the checkpoint that covers most records.
	Newest tlog.Checkpoint
	// Opened counts the clips whose plaintext is in the bundle and was compared.
	Opened int
	// Faults are what is wrong, in the order of the files. None: every clip is what the log recorded.
	Faults []Fault
}

// Fault is one thing that is wrong with a bundle.
type Fault struct {
	File string // in the bundle
	What string
}

func (f Fault) String() string { return f.File + ": " + f.What }

// known are the names that a bundle may hold.
var known = regexp.MustCompile(`^(README\.html|manifest\.json|log\.vkey|checkpoint|SHA256SUMS|opened/key\.txt|clips/` + ulid + `\.mp4\.age|records/` + ulid +
	`\.(json|salt|tlog-proof)|opened/` + ulid + `\.(header|mp4))$`)

const ulid = `[0-7][0-9A-HJKMNP-TV-Z]{25}`

// Verify checks a bundle of size bytes, all of it, without a network or an NVR. vkey is the public key that the log is known by; ""
// takes the one in the bundle (see Report.Key). The error says that r is no bundle at all, or could not be read.
//
// Nothing is written anywhere and nothing is unpacked: names decide only whether a file is looked at.
func Verify(ctx context.Context, r io.ReaderAt, size int64, vkey string) (Report, error) {
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return Report{}, fmt.Errorf("this is no evidence bundle: %w", err)
	}
	v := &verification{ctx: ctx, raw: r, files: map[string]*zip.File{}}
	if len(archive.File) > 16+6*maxClips {
		return Report{}, errors.New("this is no evidence bundle: it holds too many files")
	}
	for _, f := range archive.File {
		v.admit(f)
	}
	text, ok := v.small(manifestName)
	if !ok {
		return v.Report, nil
	}
	if err := json.Unmarshal(text, &v.Manifest); err != nil || v.Manifest.Version != 1 || len(v.Manifest.Clips) == 0 || len(v.Manifest.Clips) > maxClips {
		v.fault(manifestName, "it cannot be read")
		return v.Report, nil
	}
	if v.key(vkey) {
		v.clips()
	}
	return v.Report, ctx.Err()
}

type verification struct {
	Report
	ctx   context.Context //nolint:containedctx // of this one call
	raw   io.ReaderAt
	files map[string]*zip.File
}

func (v *verification) fault(file, what string, args ...any) {
	v.Faults = append(v.Faults, Fault{file, fmt.Sprintf(what, args...)})
}

// admit takes a file of the archive into account when it is one that a bundle has.
func (v *verification) admit(f *zip.File) {
	switch {
	case !known.MatchString(f.Name):
		v.fault(printable(f.Name), "a bundle has no such file; do not unpack this one")
	case v.files[f.Name] != nil:
		v.fault(f.Name, "it is in the bundle twice")
	case !f.Mode().IsRegular():
		v.fault(f.Name, "it is no regular file")
	case f.Method != zip.Store || f.CompressedSize64 != f.UncompressedSize64:
		v.fault(f.Name, "it is compressed; a bundle holds files as they are")
	default:
		v.files[f.Name] = f
	}
}

// printable keeps control characters of a foreign name off the terminal.
func printable(name string) string {
	if len(name) > 100 {
		name = name[:100] + "…"
	}
	return fmt.Sprintf("%q", name)
}

// small reads a file that is no video.
func (v *verification) small(name string) ([]byte, bool) {
	f := v.files[name]
	if f == nil {
		v.fault(name, "it is missing")
		return nil, false
	}
	if f.UncompressedSize64 > maxSmall {
		v.fault(name, "it is too long")
		return nil, false
	}
	r, err := f.Open()
	if err != nil {
		v.fault(name, "it cannot be read: %v", err)
		return nil, false
	}
	data, err := io.ReadAll(io.LimitReader(r, maxSmall))
	if err := errors.Join(err, r.Close()); err != nil {
		v.fault(name, "it cannot be read: %v", err)
		return nil, false
	}
	return data, true
}

// key finds the public key to check with.
func (v *verification) key(trusted string) bool {
	text, ok := v.small(keyName)
	if !ok {
		return false
	}
	v.Key = strings.TrimSpace(string(text))
	if trusted = strings.TrimSpace(trusted); trusted != "" && trusted != v.Key {
		v.fault(keyName, "the bundle is of another log: its key is not the one that you know")
		v.Key = trusted
	}
	return true
}

func (v *verification) clips() {
	opener, opened := v.opener()
	seen := map[string]bool{}
	for _, c := range v.Manifest.Clips {
		if seen[c.ID] || !known.MatchString(clipDir+c.ID+clipEnd) {
			v.fault(manifestName, "it names clip %s twice, or one that cannot be", printable(c.ID))
			continue
		}
		seen[c.ID] = true
		if v.ctx.Err() != nil {
			return
		}
		v.clip(c)
		if _, ok := v.files[openDir+c.ID+openHeadEnd]; ok && opened {
			v.opened(c.ID, opener)
		}
	}
	for name := range v.files {
		if id, ok := strings.CutPrefix(name, clipDir); ok && !seen[strings.TrimSuffix(id, clipEnd)] {
			v.fault(name, "the manifest does not name it")
		}
	}
	if text, ok := v.small(sumsName); ok && string(text) != sums(v.Manifest.Clips) {
		v.fault(sumsName, "it does not list what the manifest lists")
	}
	if text, ok := v.small(checkpointName); ok {
		if cp, err := tlog.ParseCheckpoint(text, v.Key); err != nil {
			v.fault(checkpointName, "%v", err)
		} else if cp.Size > v.Newest.Size {
			v.Newest = cp
		}
	}
}

// logged is what a record of the footage log says of a clip; see store.LogRecord.
type logged struct {
	Seq    int64  `json:"seq"`
	Action string `json:"action"`
	Camera string `json:"camera"`
	Name   string `json:"camera_name"`
	Clip   string `json:"clip"`
	Start  string `json:"start"`
	End    string `json:"end"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// clip checks that the record is in the log, and that the file and the manifest are what the record says.
func (v *verification) clip(c Clip) {
	base, file := recordDir+c.ID, clipDir+c.ID+clipEnd
	text, ok1 := v.small(base + recordEnd)
	saltText, ok2 := v.small(base + saltEnd)
	proof, ok3 := v.small(base + proofEnd)
	if !ok1 || !ok2 || !ok3 {
		return
	}
	salt, err := hex.DecodeString(strings.TrimSpace(string(saltText)))
	if err != nil || len(salt) != tlog.SaltSize {
		v.fault(base+saltEnd, "it is no salt")
		return
	}
	seq, cp, err := tlog.CheckProof(proof, tlog.Commit(salt, text), v.Key)
	if err != nil {
		v.fault(base+proofEnd, "the log does not hold this record: %v", err)
		return
	}
	if cp.Size > v.Newest.Size {
		v.Newest = cp
	}
	if cp.Origin != v.Manifest.Origin {
		v.fault(manifestName, "it names the log %s, the checkpoint is of %s", printable(v.Manifest.Origin), cp.Origin)
	}
	var r logged
	if err := json.Unmarshal(text, &r); err != nil || r.Action != "clip" || r.Clip != c.ID || r.Seq != seq {
		v.fault(base+recordEnd, "it is no record of this clip")
		return
	}
	if r.Camera != c.Camera || r.Name != c.CameraName || !sameTime(r.Start, c.Start) || !sameTime(r.End, c.End) || r.Bytes != c.Bytes || r.SHA256 != c.SHA256 || seq != c.Seq {
		v.fault(manifestName, "it says something else of clip %s than the log", c.ID)
	}
	f := v.files[file]
	if f == nil {
		v.fault(file, "it is missing")
		return
	}
	if int64(f.UncompressedSize64) != r.Bytes { //nolint:gosec // the archive is smaller than that
		v.fault(file, "it has %d bytes, the log recorded %d", f.UncompressedSize64, r.Bytes)
		return
	}
	hash := sha256.New()
	section, err := v.section(file)
	if err == nil {
		_, err = io.Copy(hash, section)
	}
	if err != nil {
		v.fault(file, "it cannot be read: %v", err)
		return
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != r.SHA256 {
		v.fault(file, "it was changed: its SHA-256 is %s, the log recorded %s", got, r.SHA256)
	}
}

func sameTime(text string, at time.Time) bool {
	t, err := time.Parse(time.RFC3339Nano, text)
	return err == nil && t.Equal(at)
}

// section is a file of the archive for random access; it is stored as it is.
func (v *verification) section(name string) (*io.SectionReader, error) {
	f := v.files[name]
	if f == nil {
		return nil, errors.New("it is missing")
	}
	at, err := f.DataOffset()
	if err != nil {
		return nil, err
	}
	return io.NewSectionReader(v.raw, at, int64(f.UncompressedSize64)), nil //nolint:gosec // checked against the archive by zip
}

// opener is the key of the bundle, where there is one.
func (v *verification) opener() (*vault.Identity, bool) {
	if v.files[openKeyName] == nil {
		return nil, false
	}
	text, ok := v.small(openKeyName)
	if !ok {
		return nil, false
	}
	id, err := vault.ParseIdentity(string(text))
	if err != nil {
		v.fault(openKeyName, "%v", err)
		return nil, false
	}
	return id, true
}

// opened checks that the plaintext in the bundle is what the sealed file holds.
func (v *verification) opened(id string, key *vault.Identity) {
	name := openDir + id + openEnd
	header, ok := v.small(openDir + id + openHeadEnd)
	if !ok {
		return
	}
	sealed, err := v.section(clipDir + id + clipEnd)
	if err != nil {
		return // said already
	}
	start := make([]byte, min(sealed.Size(), 64<<10))
	if _, err := sealed.ReadAt(start, 0); err != nil && !errors.Is(err, io.EOF) {
		v.fault(name, "the sealed file cannot be read: %v", err)
		return
	}
	own, err := vault.SplitHeader(start)
	if err != nil {
		v.fault(name, "the sealed file has no header: %v", err)
		return
	}
	payload := io.NewSectionReader(sealed, int64(len(own)), sealed.Size()-int64(len(own)))
	plain, err := vault.OpenTorn(joined{header, payload}, int64(len(header))+payload.Size(), key)
	if err != nil {
		v.fault(name, "the sealed file cannot be opened: %v", err)
		return
	}
	shown, err := v.section(name)
	if err != nil {
		v.fault(name, "%v", err)
		return
	}
	same, err := equal(shown, io.NewSectionReader(plain, 0, plain.Size()))
	switch {
	case err != nil:
		v.fault(name, "it cannot be compared: %v", err)
	case !same || shown.Size() != plain.Size():
		v.fault(name, "it is not what the sealed file holds")
	default:
		v.Opened++
	}
}

// equal reads both to the end of the shorter one.
func equal(a, b io.Reader) (bool, error) {
	x, y := make([]byte, vault.ChunkSize), make([]byte, vault.ChunkSize)
	for {
		n, err := io.ReadFull(a, x)
		m, err2 := io.ReadFull(b, y)
		if n != m || !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		for _, err := range []error{err, err2} {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return true, nil
			}
			if err != nil {
				return false, err
			}
		}
	}
}

// joined is one file made of two.
type joined struct {
	head []byte
	tail *io.SectionReader
}

func (j joined) ReadAt(p []byte, off int64) (n int, err error) {
	if off < int64(len(j.head)) {
		n = copy(p, j.head[off:])
		if n == len(p) {
			return n, nil
		}
	}
	m, err := j.tail.ReadAt(p[n:], off+int64(n)-int64(len(j.head)))
	return n + m, err
}
