package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cardea/store/vault"
	"cardea/web/api"
	"cardea/web/console"
)

// Vault says who can open what, and changes it.
type Vault struct {
	List   vaultList   `cmd:"" help:"List vaults, who can open each, and which cameras are sealed to it."`
	Create vaultCreate `cmd:"" help:"Make a vault; prints JSON with its identity, which is shown this once."`
	Rotate vaultRotate `cmd:"" help:"Renew a vault's key for clips from now on; prints JSON with the new identity. Older clips stay with the old one."`
	Grant  vaultGrant  `cmd:"" help:"Let somebody open a vault, by their personal key."`
	Revoke vaultRevoke `cmd:"" help:"Take a vault from somebody. Rotate it afterwards: they may have kept the identity."`
	Open   vaultOpen   `cmd:"" help:"Let the NVR itself open a vault, and so whoever has the NVR."`
	Seal   vaultSeal   `cmd:"" help:"Take that back."`
}

type vaultList struct{ listing }

func (c *vaultList) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		vaults, err := vaultsOf(e, client)
		if err != nil {
			return err
		}
		lines := [][]string{}
		for _, v := range vaults {
			state := "sealed"
			switch {
			case v.Open:
				state = "OPEN"
			case v.Retired != nil:
				state = "retired"
			case v.RotationNeeded:
				state = "rotate!"
			}
			if v.Default {
				state += ",default"
			}
			names := []string{}
			for _, h := range v.Holders {
				names = append(names, h.Name)
			}
			lines = append(lines, []string{v.ID, v.Name, v.Type, state, fmt.Sprint(len(v.Cameras)), strings.Join(names, ",")})
		}
		return c.print(e, vaults, "ID NAME TYPE STATE CAMERAS HOLDERS", lines)
	})
}

func vaultsOf(e *Env, client *console.Client) (all []api.Vault, err error) {
	return all, client.Get(e.Ctx, "/api/vaults", nil, &all)
}

// theVault finds a vault by ID, or by name among those in use.
func theVault(e *Env, client *console.Client, text string) (api.Vault, error) {
	all, err := vaultsOf(e, client)
	if err != nil {
		return api.Vault{}, err
	}
	for _, v := range all {
		if v.ID == text || v.Retired == nil && strings.EqualFold(v.Name, text) {
			return v, nil
		}
	}
	return api.Vault{}, fmt.Errorf("there is no vault %q; `cardea vault list` shows all", text)
}

// newKey is an identity that is made here; the NVR gets its public half and what it is wrapped for.
type newKey struct {
	Owner          string `help:"Account that opens it with the passphrase." placeholder:"NAME"`
	PassphraseFile string `help:"File with the passphrase; made up and printed without it." env:"CARDEA_VAULT_PASSPHRASE_FILE" placeholder:"FILE"`
	VaultType      string `help:"hybrid (ML-KEM-768 and X25519) or x25519." enum:"hybrid,x25519" default:"hybrid"`
}

// vaultResult is what create and rotate print. It is the only time that the identity is shown.
type vaultResult struct {
	Vault           string   `json:"vault"`
	VaultIdentity   string   `json:"vault_identity"`
	VaultRecipient  string   `json:"vault_recipient"`
	VaultPassphrase string   `json:"vault_passphrase,omitempty"`
	LeftOut         []string `json:"left_out,omitempty"`
}

// make gives the identity, the body that brings it, and the start of the result.
func (k *newKey) make(e *Env, client *console.Client) (*vault.Identity, map[string]any, vaultResult, error) {
	identity, err := vault.Generate(vault.Type(k.VaultType))
	if err != nil {
		return nil, nil, vaultResult{}, err
	}
	result := vaultResult{VaultIdentity: identity.Secret(), VaultRecipient: identity.Recipient().String()}
	body := map[string]any{"recipient": result.VaultRecipient, "kit_tested": true}
	if k.Owner == "" {
		return identity, body, result, nil
	}
	if result.VaultPassphrase = newPassphrase(); k.PassphraseFile != "" {
		if result.VaultPassphrase, err = readSecret(k.PassphraseFile); err != nil {
			return nil, nil, result, err
		}
		if len(result.VaultPassphrase) < 12 {
			return nil, nil, result, UsageError("the passphrase of the vault needs at least 12 characters: it protects every recording")
		}
	}
	if body["user"], err = userID(e, client, k.Owner); err != nil {
		return nil, nil, result, err
	}
	body["wrapped"], err = vault.WrapPassphrase(identity, result.VaultPassphrase)
	return identity, body, result, err
}

type vaultCreate struct {
	Name string `help:"What people call it." required:"" placeholder:"NAME"`
	newKey
	Default bool `help:"Seal the clips of cameras without a vault of their own to it."`
}

func (c *vaultCreate) Run(e *Env) error {
	if c.Owner == "" {
		return UsageError("name the account that is to open the vault with --owner")
	}
	return e.with(false, func(client *console.Client) error {
		_, body, result, err := c.make(e, client)
		if err != nil {
			return err
		}
		body["name"], body["type"] = c.Name, c.VaultType
		var made api.Vault
		if err := client.Do(e.Ctx, "POST", "/api/vaults", body, &made); err != nil {
			return err
		}
		result.Vault = made.ID
		if c.Default {
			err = client.Do(e.Ctx, "PATCH", "/api/vaults/"+made.ID, map[string]any{"default": true}, nil)
		}
		return errors.Join(e.printJSON(result), err)
	})
}

type vaultRotate struct {
	Vault   string   `arg:"" help:"ID or name of a vault in use."`
	Without []string `help:"Account that is not to get the new key; may be given several times." placeholder:"NAME"`
	newKey
}

// Run seals the new identity to the personal key of everybody who can open the old one and has such a key.
func (c *vaultRotate) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		old, err := theVault(e, client, c.Vault)
		if err != nil {
			return err
		}
		identity, body, result, err := c.make(e, client)
		if err != nil {
			return err
		}
		var keys []api.PersonalKey
		if err := client.Get(e.Ctx, "/api/keys", nil, &keys); err != nil {
			return err
		}
		grants := []api.SealedGrant{}
		for _, k := range keys {
			holds := slices.ContainsFunc(old.Holders, func(h api.Holder) bool { return h.User == k.User })
			out := slices.ContainsFunc(c.Without, func(name string) bool { return strings.EqualFold(name, k.Name) || name == k.User })
			if !holds || out {
				continue
			}
			wrapped, err := sealTo(e, identity, k)
			if err != nil {
				return err
			}
			grants = append(grants, api.SealedGrant{User: k.User, Recipient: k.Recipient, Wrapped: wrapped})
		}
		body["grants"] = grants
		var made api.Rotated
		if err := client.Do(e.Ctx, "POST", "/api/vaults/"+old.ID+"/rotate", body, &made); err != nil {
			return err
		}
		result.Vault = made.Vault.ID
		for _, p := range made.LeftOut {
			result.LeftOut = append(result.LeftOut, p.Name)
		}
		return e.printJSON(result)
	})
}

// sealTo seals an identity to a personal key, and says whose key that is.
func sealTo(e *Env, identity *vault.Identity, k api.PersonalKey) ([]byte, error) {
	to, err := vault.ParseRecipient(k.Recipient)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(e.Stderr, "%s can open it: personal key %s\n", k.Name, vault.Fingerprint(to))
	return vault.SealIdentity(identity, to)
}

type vaultGrant struct {
	Vault       string `arg:"" help:"ID or name of a vault."`
	User        string `help:"Account that is to open it." required:"" placeholder:"NAME"`
	Identity    string `help:"File with the vault's identity, the AGE-SECRET-KEY line of the recovery kit." required:"" placeholder:"FILE"`
	Fingerprint string `help:"Fingerprint of that person's key, as their account page shows it. Without it nothing happens but that the stored one is printed." placeholder:"F"`
}

func (c *vaultGrant) Run(e *Env) error {
	identity, err := readIdentity(c.Identity, true)
	if err != nil {
		return err
	}
	return e.with(false, func(client *console.Client) error {
		v, err := theVault(e, client, c.Vault)
		if err != nil {
			return err
		}
		if identity.Recipient().String() != v.Recipient {
			return fmt.Errorf("%s is not the identity of the vault %s", c.Identity, v.Name)
		}
		user, err := userID(e, client, c.User)
		if err != nil {
			return err
		}
		var keys []api.PersonalKey
		if err := client.Get(e.Ctx, "/api/keys", nil, &keys); err != nil {
			return err
		}
		at := slices.IndexFunc(keys, func(k api.PersonalKey) bool { return k.User == user })
		if at < 0 {
			return fmt.Errorf("%s has no personal key yet; it is made when they sign in", c.User)
		}
		to, err := vault.ParseRecipient(keys[at].Recipient)
		if err != nil {
			return err
		}
		if squeeze(c.Fingerprint) != squeeze(vault.Fingerprint(to)) {
			fmt.Fprintf(e.Stderr, "The stored key of %s has the fingerprint\n  %s\nAsk them to read theirs to you, and give it with --fingerprint.\n", keys[at].Name, vault.Fingerprint(to))
			return ExitError(1)
		}
		wrapped, err := sealTo(e, identity, keys[at])
		if err != nil {
			return err
		}
		return client.Do(e.Ctx, "POST", "/api/vaults/"+v.ID+"/grants", map[string]any{"kind": "sealed", "user": user, "recipient": keys[at].Recipient, "wrapped": wrapped}, nil)
	})
}

// squeeze makes two spellings of a fingerprint one.
func squeeze(s string) string {
	return strings.ToLower(strings.NewReplacer(" ", "", ":", "", "-", "").Replace(s))
}

type vaultRevoke struct {
	Vault string `arg:"" help:"ID or name of a vault."`
	User  string `help:"Account that is not to open it any more." required:"" placeholder:"NAME"`
}

func (c *vaultRevoke) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		v, err := theVault(e, client, c.Vault)
		if err != nil {
			return err
		}
		user, err := userID(e, client, c.User)
		if err != nil {
			return err
		}
		var done api.Revoked
		if err := client.Do(e.Ctx, "POST", "/api/vaults/"+v.ID+"/revoke", map[string]any{"user": user}, &done); err != nil {
			return err
		}
		if done.RotationNeeded {
			fmt.Fprintf(e.Stderr, "%s may have kept the identity, and clips are still sealed to it. Now run: cardea vault rotate %s\n", c.User, v.ID)
		}
		return nil
	})
}

type vaultOpen struct {
	Vault    string `arg:"" help:"ID or name of a vault."`
	Identity string `help:"File with the vault's identity, the AGE-SECRET-KEY line of the recovery kit." required:"" placeholder:"FILE"`
}

func (c *vaultOpen) Run(e *Env) error {
	identity, err := readIdentity(c.Identity, true)
	if err != nil {
		return err
	}
	return e.with(false, func(client *console.Client) error {
		v, err := theVault(e, client, c.Vault)
		if err != nil {
			return err
		}
		if err := client.Do(e.Ctx, "POST", "/api/vaults/"+v.ID+"/open", map[string]any{"identity": identity.Secret()}, nil); err != nil {
			return err
		}
		fmt.Fprintf(e.Stderr, "The NVR can open %s now, and so can whoever steals it or breaks into it. `cardea vault seal %s` takes that back.\n", v.Name, v.ID)
		return nil
	})
}

type vaultSeal struct {
	Vault string `arg:"" help:"ID or name of a vault."`
}

func (c *vaultSeal) Run(e *Env) error {
	return e.with(false, func(client *console.Client) error {
		v, err := theVault(e, client, c.Vault)
		if err != nil {
			return err
		}
		return client.Do(e.Ctx, "POST", "/api/vaults/"+v.ID+"/seal", nil, nil)
	})
}

// aboutVaults is what the doctor says of them.
func aboutVaults(vaults []api.Vault) []finding {
	found := []finding{good("Clips are sealed to %d vault(s).", len(slices.DeleteFunc(slices.Clone(vaults), func(v api.Vault) bool { return v.Retired != nil })))}
	for _, v := range vaults {
		if v.Open {
			found = append(found, note("Seal it with `cardea vault seal "+v.ID+"` when nothing needs that any more.",
				"The vault %s is open: this NVR, and whoever steals it, can see its recordings.", v.Name))
		}
		if v.RotationNeeded {
			found = append(found, note("Renew its key on the page Vaults, or with `cardea vault rotate "+v.ID+"`.",
				"Somebody lost the vault %s and may have kept its key, which clips are still sealed to.", v.Name))
		}
		if v.Retired == nil && len(v.Holders) == 0 {
			found = append(found, note("Grant it to an owner while its recovery kit is at hand.", "Nobody can open the vault %s but by its recovery kit.", v.Name))
		}
	}
	return found
}
