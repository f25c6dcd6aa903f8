package nvr

import (
	"context"
	"io"

	"cardea/store"
	"cardea/store/vault"
)

// boxContext ties a vault's identity, sealed with the box key, to its row.
func boxContext(id store.ID) []byte { return []byte("vault " + id.String()) }

// OpenVault gives the box itself the identity of a vault, so that it can show clips to devices that cannot open them. From then on
// whoever has the box can, too.
func (n *NVR) OpenVault(ctx context.Context, actor store.Actor, id store.ID, identity string) (store.Vault, error) {
	v, key, err := n.matching(ctx, id, identity)
	if err != nil {
		return store.Vault{}, err
	}
	sealed, err := n.cfg.BoxKey.SealSecret([]byte(key.Secret()), boxContext(id))
	if err != nil {
		return store.Vault{}, err
	}
	if err := n.note(ctx, actor, "vault.open", store.Access{Object: v.Name}); err != nil {
		return store.Vault{}, err
	}
	if err := n.db.SetBoxGrant(ctx, id, sealed); err != nil {
		return store.Vault{}, err
	}
	n.log.WarnContext(ctx, "vault opened: the box can open its clips", "by", actor.Name, "vault", id.String())
	return n.db.Vault(ctx, id)
}

// VaultIdentity checks that an identity is that of a vault, before anybody is asked to approve that the box gets it.
func (n *NVR) VaultIdentity(ctx context.Context, id store.ID, identity string) error {
	_, _, err := n.matching(ctx, id, identity)
	return err
}

func (n *NVR) matching(ctx context.Context, id store.ID, identity string) (store.Vault, *vault.Identity, error) {
	v, err := n.existing(ctx, id)
	if err != nil {
		return store.Vault{}, nil, err
	}
	key, err := vault.ParseIdentity(identity)
	if err != nil || key.Recipient().String() != v.Recipient {
		return store.Vault{}, nil, store.Errorf(store.Invalid, "this is not the identity of this vault")
	}
	return v, key, nil
}

// SealVault forgets what OpenVault stored.
func (n *NVR) SealVault(ctx context.Context, actor store.Actor, id store.ID) (store.Vault, error) {
	v, err := n.existing(ctx, id)
	if err != nil {
		return store.Vault{}, err
	}
	if err := n.note(ctx, actor, "vault.seal", store.Access{Object: v.Name}); err != nil {
		return store.Vault{}, err
	}
	if err := n.db.SetBoxGrant(ctx, id, nil); err != nil {
		return store.Vault{}, err
	}
	if err := n.db.Fold(ctx); err != nil { // it must not be left in the write-ahead log
		return store.Vault{}, err
	}
	n.log.InfoContext(ctx, "vault sealed", "by", actor.Name, "vault", id.String())
	return n.db.Vault(ctx, id)
}

// Video is the plaintext MP4 of a clip of an open vault. The caller closes it.
type Video struct {
	io.ReaderAt
	// Size is in bytes; of a clip that is open or torn it ends with the last whole chunk.
	Size int64
	// Clip is the row when it was opened.
	Clip Clip
	file *ClipFile
}

// Close closes the file.
func (v *Video) Close() error { return v.file.Close() }

// OpenVideo opens a clip for a person who holds a grant to its vault, which has to be open. Denied without a grant, Conflict for a sealed vault.
func (n *NVR) OpenVideo(ctx context.Context, actor store.Actor, id store.ID) (*Video, error) {
	clip, err := n.Clip(ctx, id)
	if err != nil {
		return nil, err
	}
	v, err := n.db.Vault(ctx, clip.Vault)
	if err != nil {
		return nil, err
	}
	if actor.Role != roleConsole {
		grants, err := n.Grants(ctx, actor, clip.Vault)
		if err != nil {
			return nil, err
		}
		if len(grants) == 0 {
			return nil, store.Errorf(store.Denied, "you were not granted the vault that holds this recording")
		}
	}
	if v.BoxGrant == nil {
		return nil, store.Errorf(store.Conflict, "the vault is sealed: only a browser or the age tool can open this recording, not the box")
	}
	secret, err := n.cfg.BoxKey.OpenSecret(v.BoxGrant, boxContext(v.ID))
	if err != nil {
		return nil, err
	}
	identity, err := vault.ParseIdentity(string(secret))
	if err != nil {
		return nil, err
	}
	file, err := n.OpenClip(ctx, actor, id)
	if err != nil {
		return nil, err
	}
	plain, err := vault.OpenTorn(file, file.Size, identity)
	if err != nil {
		return nil, &store.Error{Code: store.Unavailable, Message: "the recording cannot be opened: it was changed after it was written", Err: joinClose(err, file)}
	}
	return &Video{ReaderAt: plain, Size: plain.Size(), Clip: file.Clip, file: file}, nil
}

func joinClose(err error, c io.Closer) error {
	if closed := c.Close(); closed != nil {
		return closed
	}
	return err
}
