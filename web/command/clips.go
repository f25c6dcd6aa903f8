package command

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"cardea/store/vault"
	"cardea/web/api"
	"cardea/web/console"
)

// Clips lists, exports and salvages recordings.
type Clips struct {
	List    clipsList    `cmd:"" help:"List clips, oldest first."`
	Gaps    clipsGaps    `cmd:"" help:"List times without footage that should be there, with the reason: of the last day, or from --from on."`
	Export  clipsExport  `cmd:"" help:"Copy clips out: opened as MP4 with --identity, as age files without."`
	Salvage clipsSalvage `cmd:"" help:"Make a clip whole that a power cut tore, up to its last complete part."`
}

type clipsList struct {
	Camera string `help:"ID or name of a camera." placeholder:"ID"`
	span
	listing
}

// pageSize is how many clips one request asks for.
const pageSize = 5000

func (c *clipsList) Run(e *Env) error {
	return c.list(e, c.Camera, func(client *console.Client, q console.Query) error {
		clips, err := allClips(e.Ctx, client, q)
		if err != nil {
			return err
		}
		lines := [][]string{}
		for _, cl := range clips {
			state := "whole"
			switch {
			case cl.Open:
				state = "open"
			case cl.Torn:
				state = "torn"
			}
			if cl.Fetched {
				state += ", fetched later"
			}
			lines = append(lines, []string{
				cl.ID, cl.Camera, cl.Start.Local().Format("2006-01-02T15:04:05"), fmt.Sprintf("%.1fs", cl.End.Sub(cl.Start).Seconds()), strconv.FormatInt(cl.Bytes, 10), state,
			})
		}
		return c.print(e, clips, "ID CAMERA START LENGTH BYTES STATE", lines)
	})
}

// allClips reads page after page. A page begins with the start of the last clip of the one before, which comes again.
func allClips(ctx context.Context, client *console.Client, q console.Query) ([]api.Clip, error) {
	all, seen := []api.Clip{}, map[string]bool{}
	q["limit"] = strconv.Itoa(pageSize)
	for {
		var page []api.Clip
		if err := client.Get(ctx, "/api/clips", q, &page); err != nil {
			return nil, err
		}
		news := 0
		for _, c := range page {
			if !seen[c.ID] {
				seen[c.ID] = true
				all = append(all, c)
				news++
			}
		}
		if len(page) < pageSize || news == 0 {
			return all, nil
		}
		q["from"] = page[len(page)-1].Start.UTC().Format(time.RFC3339Nano)
	}
}

type clipsExport struct {
	ID       []string `arg:"" help:"IDs of clips."`
	Identity string   `help:"File with the vault's identity, the AGE-SECRET-KEY line of the recovery kit." placeholder:"FILE"`
	Out      string   `help:"File for one clip or a bundle (- is stdout); directory for several clips. Default: ID.mp4 or ID.mp4.age here." short:"o" placeholder:"FILE"`
	Evidence bool     `help:"Make one ZIP that proves to others what was recorded: sealed clips, log records and proofs; with --identity the video too."`
	Note     string   `help:"Words that stand in the bundle and in the log." placeholder:"TEXT"`
}

func (c *clipsExport) Run(e *Env) error {
	identity, err := readIdentity(c.Identity, c.Identity != "")
	if err != nil {
		return err
	}
	if c.Note != "" && !c.Evidence {
		return UsageError("--note goes with --evidence")
	}
	if c.Evidence {
		return e.with(false, func(client *console.Client) error { return exportEvidence(e, client, c.ID, c.Note, identity, c.Out) })
	}
	several := len(c.ID) > 1
	if several && c.Out == "-" {
		return UsageError("several clips go into a directory, not to stdout")
	}
	return e.with(false, func(client *console.Client) error {
		if several && c.Out != "" {
			if err := os.MkdirAll(c.Out, 0o700); err != nil {
				return err
			}
		}
		for _, id := range c.ID {
			name := id + ".mp4"
			if identity == nil {
				name += ".age"
			}
			switch {
			case several:
				name = filepath.Join(c.Out, name)
			case c.Out != "":
				name = c.Out
			}
			if err := exportClip(e, client, id, identity, name); err != nil {
				return fmt.Errorf("export %s: %w", id, err)
			}
		}
		return nil
	})
}

// readIdentity reads an age identity file; nil when none is wanted.
func readIdentity(path string, wanted bool) (*vault.Identity, error) {
	if !wanted {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, unreadable(err)
	}
	identity, err := vault.ParseIdentity(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s holds no vault identity, the line of the recovery kit that begins with AGE-SECRET-KEY-: %w", path, err)
	}
	return identity, nil
}

// exportClip writes one clip to name, which appears only when it is complete.
func exportClip(e *Env, client *console.Client, id string, identity *vault.Identity, name string) error {
	sealed, size, drop, err := fetch(e.Ctx, client, id)
	if err != nil {
		return err
	}
	defer drop()
	var body io.Reader = sealed
	if identity != nil {
		plain, err := vault.OpenTorn(sealed, size, identity)
		if err != nil {
			return err
		}
		if !plain.Complete() {
			fmt.Fprintf(e.Stderr, "%s is still being written or was cut off: it ends with its last whole chunk.\n", id)
		}
		body = io.NewSectionReader(plain, 0, plain.Size())
	}
	if name == "-" {
		_, err := io.Copy(e.Stdout, body)
		return err
	}
	if err := writeFile(name, body); err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.Stdout, name)
	return err
}

// fetch copies a clip's ciphertext into a file without a name, since it is read at random. drop gives it back.
func fetch(ctx context.Context, client *console.Client, id string) (f *os.File, size int64, drop func(), err error) {
	if f, drop, err = nameless(); err != nil {
		return nil, 0, nil, err
	}
	size, err = client.Download(ctx, "/api/clips/"+id+"/data", f)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		drop()
		return nil, 0, nil, err
	}
	return f, size, drop, nil
}

// writeFile writes a file for its owner only, beside its place at first.
func writeFile(name string, body io.Reader) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".cardea-*")
	var at *os.PathError
	if errors.As(err, &at) {
		return fmt.Errorf("nothing can be written into the directory %s: %w; name another file with -o", filepath.Dir(name), at.Err)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if _, err := io.Copy(f, body); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

type clipsSalvage struct {
	ID       string `arg:"" help:"ID of a torn clip."`
	Identity string `help:"File with the vault's identity, the AGE-SECRET-KEY line of the recovery kit." required:"" placeholder:"FILE"`
}

// Run opens the torn clip here, cuts it after its last whole part, seals that to the same vault and hands it back. The
// NVR never sees the identity or a plaintext byte.
func (c *clipsSalvage) Run(e *Env) error {
	identity, err := readIdentity(c.Identity, true)
	if err != nil {
		return err
	}
	return e.with(false, func(client *console.Client) error {
		var clip api.ClipDetail
		if err := client.Get(e.Ctx, "/api/clips/"+c.ID, nil, &clip); err != nil {
			return err
		}
		if !clip.Torn {
			return fmt.Errorf("clip %s is not torn; there is nothing to salvage", c.ID)
		}
		var vaults []api.Vault
		if err := client.Get(e.Ctx, "/api/vaults", nil, &vaults); err != nil {
			return err
		}
		var recipient vault.Recipient
		for _, v := range vaults {
			if v.ID == clip.Vault {
				if recipient, err = vault.ParseRecipient(v.Recipient); err != nil {
					return err
				}
			}
		}
		if recipient.IsZero() {
			return fmt.Errorf("the vault of clip %s is not known any more", c.ID)
		}
		sealed, size, drop, err := fetch(e.Ctx, client, c.ID)
		if err != nil {
			return err
		}
		defer drop()
		plain, err := vault.OpenTorn(sealed, size, identity)
		if err != nil {
			return err
		}
		whole, err := wholeBoxes(plain, plain.Size())
		if err != nil {
			return err
		}
		body, to := io.Pipe()
		go func() { to.CloseWithError(seal(to, recipient, io.NewSectionReader(plain, 0, whole))) }()
		err = client.Upload(e.Ctx, "/api/console/clips/"+c.ID+"/data", body, nil)
		if err := errors.Join(err, body.Close()); err != nil {
			return err
		}
		fmt.Fprintf(e.Stderr, "%s is whole now: %d bytes of video were kept.\n", c.ID, whole)
		return nil
	})
}

func seal(to io.Writer, recipient vault.Recipient, plain io.Reader) error {
	w, _, err := vault.Seal(to, recipient)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, plain); err != nil {
		return err
	}
	return w.Close()
}

// wholeBoxes says how many bytes of a fragmented MP4 are whole: everything up to the last mdat that is complete
// (ISO/IEC 14496-12, 4.2 and 8.8).
func wholeBoxes(r io.ReaderAt, size int64) (int64, error) {
	var whole int64
	head := make([]byte, 16)
	for at := int64(0); at+8 <= size; {
		n, err := r.ReadAt(head[:min(16, size-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		length := int64(binary.BigEndian.Uint32(head))
		if length == 1 && n == 16 {
			length = int64(binary.BigEndian.Uint64(head[8:]))
		}
		if length < 8 || length > size-at {
			break
		}
		at += length
		if string(head[4:8]) == "mdat" {
			whole = at
		}
	}
	if whole == 0 {
		return 0, errors.New("not one part of the clip is whole; there is nothing to salvage")
	}
	return whole, nil
}
